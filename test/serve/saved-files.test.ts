import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { freePort } from "../../src/embedded/free-port.js";
import { streamingBack, untilTask } from "../support/admin-tasks.js";
import { startTestCluster } from "../support/cluster.js";
import { ADMIN_PASSWORD, APP_PASSWORD, databasesToml, Served, ServedFiles } from "../support/served.js";
import { readTold, TOLD_SCHEMA, toldShardingToml, ToldWriters } from "../support/told-writers.js";

/* cutover_save_config: the files alone lead to the side that is in charge, there and back. */

const WRITERS = 3;

let files: ServedFiles;
let writers: ToldWriters;
let one: pg.Client[];
let two: pg.Client[];
let served: Served;
let admin: pg.Client;

beforeAll(async () => {
  const cluster = await startTestCluster();
  for (const name of ["shop", "shop_0", "shop_1"]) await cluster.createDatabase(name);
  one = [await cluster.connect("shop")];
  two = [await cluster.connect("shop_0"), await cluster.connect("shop_1")];
  await one[0]!.query(TOLD_SCHEMA);
  await one[0]!.query("CREATE ROLE old_owner SUPERUSER LOGIN PASSWORD 'of old'; CREATE ROLE new_owner SUPERUSER LOGIN PASSWORD 'of new'");
  const port = await freePort();
  const config = [
    "# What the shop is served from.",
    `[general]\nhost = "127.0.0.1"\nport = ${port} # the applications know it\ncutover_save_config = true\ncutover_verify = false\n`,
    `[admin]\npassword = "${ADMIN_PASSWORD}"\n`,
    databasesToml({ prod: [{ cluster, database: "shop" }], prod_2x: [0, 1].map((number) => ({ cluster, database: `shop_${number}` })) }),
    toldShardingToml("prod_2x"),
  ].join("\n");
  const owner = (database: string, role: string): string => `[[users]]\nname = "owner"\ndatabase = "${database}"\npassword = "${role}'s"\nserver_user = "${role}_owner"\nserver_password = "of ${role}"\nschema_admin = true\n`;
  const users = [
    `# The shop\n[[users]]\nname = "app"\ndatabase = "prod" # and no other\npassword = "${APP_PASSWORD}"\nserver_user = "${cluster.user}"\nserver_password = "${cluster.password}"\n`,
    owner("prod", "old"), owner("prod_2x", "new"),
  ].join("\n");
  files = new ServedFiles(config, users);
  served = await Served.start(files);
  admin = await served.admin();
  writers = await ToldWriters.start({ login: { host: "127.0.0.1", port, user: "app", password: APP_PASSWORD, database: "prod" }, writers: WRITERS });
});

function contents(): Record<string, string> {
  return Object.fromEntries(readdirSync(files.directory).filter((name) => name.endsWith(".toml")).map((name) => [name, readFileSync(path.join(files.directory, name), "utf8")]));
}

/** Of the servers that the applications' statements go to. */
async function databaseOf(): Promise<string> {
  const client = await served.client("prod");
  const { rows } = await client.query<{ name: string }>("SELECT current_database() AS name");
  await client.end();
  return rows[0]!.name;
}

/** A gateway of another machine, which has the files and nothing else. */
async function startedAnew(): Promise<void> {
  await writers.stop();
  await served.serving.close();
  rmSync(path.join(files.directory, "pg-reshard.routing.json"));
  served = await Served.start(files);
  admin = await served.admin();
  await writers.goOn();
}

test("the files are saved at a cutover and at the way back: a gateway that has nothing else leads where the applications were led", async () => {
  const before = contents();
  await admin.query("RESHARD prod prod_2x all_tables");
  await writers.during(async () => (await untilTask(admin, streamingBack())).id);
  await writers.more(50);
  expect(await databaseOf()).toMatch(/^shop_[01]$/);

  const exchanged = (text: string): string => text.replaceAll(/"(prod|prod_2x)"(?! # and no other)/g, (_, name: string) => (name === "prod" ? '"prod_2x"' : '"prod"'));
  const after = Object.fromEntries(Object.entries(before).map(([name, text]) => [name, exchanged(text)]));
  expect(contents()).toEqual({ ...after, "pgdog.bak.toml": before["pgdog.toml"], "users.bak.toml": before["users.toml"] });

  await startedAnew();
  expect(await databaseOf()).toMatch(/^shop_[01]$/);
  await writers.more(50);

  // And back: what streams is gone on with, with each side's own login.
  const back = (await untilTask(admin, streamingBack())).id;
  await admin.query(`CUTOVER ${back}`);
  await writers.during(async () => { await expect.poll(databaseOf, { timeout: 30_000 }).toBe("shop"); });
  expect(contents()).toEqual({ ...before, "pgdog.bak.toml": after["pgdog.toml"], "users.bak.toml": after["users.toml"] });
  await writers.more(50);
  await writers.stop();
  expect(writers.faults(await readTold(one))).toEqual([]);
  await expect.poll(async () => writers.faults(await readTold(two)), { timeout: 30_000 }).toEqual([]);
  await served.serving.close();
}, 120_000);
