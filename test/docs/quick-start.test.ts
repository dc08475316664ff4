import { writeFileSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import { expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { recordedTerminal } from "../cli/terminal.js";
import { startTestCluster } from "../support/cluster.js";
import { commandsOf, ownWords } from "./commands.js";
import { exampleFolder } from "./example-files.js";
import { type Block, pages } from "./pages.js";

const readme = pages.find(({ file }) => file === "README.md")!;
const { blocks } = pages.find(({ file }) => file === "docs/quick-start.md")!;

/** One at a time: some may not be in a transaction with others. */
async function execute(client: pg.Client, { text }: Block): Promise<void> {
  for (const statement of text.replaceAll(/--.*$/gmu, "").split(";").map((each) => each.trim()).filter((each) => each !== "")) await client.query(statement);
}

test("the steps of the quick start, with the README's file, move a database", async () => {
  const [source, shards] = [await startTestCluster(), await startTestCluster()];
  await source.createDatabase("prod");
  const application = await source.connect("prod");
  await application.query(`
    CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (user_id int NOT NULL REFERENCES users, id bigint, PRIMARY KEY (user_id, id));
    CREATE TABLE countries (code text PRIMARY KEY);
    INSERT INTO users (email) SELECT 'user' || i FROM generate_series(1, 100) i;
    INSERT INTO orders SELECT i, i FROM generate_series(1, 100) i;
    INSERT INTO countries VALUES ('DE'), ('PT')`);
  const [onSource, onShard] = blocks.filter(({ language }) => language === "sql");
  await execute(application, onSource!);
  const administrator = await shards.connect("postgres");
  await execute(administrator, onShard!);
  // The second shard's server is the first one's here.
  await administrator.query("CREATE DATABASE prod_1 OWNER migrator");

  const folder = exampleFolder();
  const file = path.join(folder, "reshard.toml");
  writeFileSync(file, readme.blocks.find(({ name }) => name === "reshard.toml")!.text
    .replace('"10.0.0.1"', `"${source.host}"\nport = ${source.port}`)
    .replace('"10.0.0.2"', `"${shards.host}"\nport = ${shards.port}\ndatabase_name = "prod_2x"`)
    .replace('"10.0.0.3"', `"${shards.host}"\nport = ${shards.port}\ndatabase_name = "prod_1"`));

  const commands = blocks.filter(({ language }) => language === "sh").flatMap(commandsOf).map((words) => ownWords(words)!);
  expect(commands.map(([command]) => command)).toEqual(["check", "check", "plan", "run", "status", "verify", "finish"]);
  for (const words of commands) {
    const terminal = recordedTerminal({ environment: { PROD_PASSWORD: "secret" } });
    const code = await runCommandLine(words.map((word) => (word === "reshard.toml" ? file : word)), terminal);
    expect({ command: words.join(" "), code, said: code === 0 ? "" : terminal.written.err + terminal.written.out }).toEqual({ command: words.join(" "), code: 0, said: "" });
    if (words[0] === "verify") expect(terminal.written.out).toMatch(/3 tables, 202 rows: all equal/u);
  }
});
