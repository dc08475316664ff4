import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse } from "pgsql-parser";
import { afterAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { recordedTerminal } from "../cli/terminal.js";
import { commandsOf, ownWords, parses } from "./commands.js";
import { environmentOf, exampleFolder, wholeFile, writeExamples } from "./example-files.js";
import { type Block, type Page, pages, ROOT } from "./pages.js";
import { typeErrors } from "../support/type-errors.js";

/** Fenced blocks that are only shown: pictures and output. */
const SHOWN = ["text"];
const LANGUAGES = ["toml", "ts", "sh", "sql", ...SHOWN];
/** Commands that need no server, and are run where a page names them. */
const WITHOUT_SERVER = ["check", "test", "graph", "schema", "new"];
const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { scripts: Record<string, string> };

const here = process.cwd();
afterAll(() => { process.chdir(here); });

const withBlocks = pages.filter(({ blocks }) => blocks.length > 0);
const placeOf = ({ file }: Page, { line }: Block): string => `${file}:${line}`;

test("every block is of a language that is tested, or is output", () => {
  const others = withBlocks.flatMap((page) => page.blocks.filter(({ language }) => !LANGUAGES.includes(language)).map((block) => placeOf(page, block)));
  expect(others).toEqual([]);
});

/** The words of a command line run in a folder: exit code and what was said. */
async function run(words: readonly string[], folder: string, environment: Readonly<Record<string, string>>): Promise<{ readonly code: number; readonly said: string }> {
  process.chdir(folder);
  const terminal = recordedTerminal({ environment });
  const code = await runCommandLine(words, terminal);
  return { code, said: terminal.written.err + terminal.written.out };
}

describe.each(withBlocks.map((page) => [page.file, page] as const))("%s", (_, page) => {
  const environment = environmentOf(page.text);

  test("has commands that can be given, and those that need no server succeed in order", async () => {
    const folder = exampleFolder();
    for (const block of page.blocks) {
      writeExamples(folder, { blocks: [block] });
      for (const words of block.language === "sh" ? commandsOf(block) : []) {
        const own = ownWords(words);
        const line = `${placeOf(page, block)} ${words.join(" ")}`;
        if (own === undefined) {
          const script = words[0] !== "npm" ? undefined : words[1] === "run" ? words[2] : words[1] === "test" ? "test" : undefined;
          if (script === undefined) expect(["npm ci", "npm install", "npm init", "npx vitest", "export", "mkdir", "cd"].some((known) => words.join(" ").startsWith(known)), line).toBe(true);
          else expect(Object.keys(scripts), line).toContain(script);
        } else if (WITHOUT_SERVER.includes(own[0]!) && !own.includes("--connect")) {
          // A page may speak of the reader's own file.
          const isOfPage = own.slice(1).every((word) => !word.endsWith(".toml") || page.blocks.some(({ name }) => name === word));
          const outcome = isOfPage ? await run(own, folder, environment) : { code: (await parses(own)) === undefined ? 0 : 2, said: "" };
          expect(outcome.code, `${line}\n${outcome.said}`).toBe(0);
        } else {
          expect(await parses(own), line).toBeUndefined();
        }
      }
    }
  });

  if (page.blocks.some(({ language }) => language === "toml")) test("has TOML in which check finds no mistake", async () => {
    const folder = exampleFolder();
    writeExamples(folder, page);
    for (const block of page.blocks.filter(({ language, name }) => language === "toml" && !(name?.endsWith(".test.toml") ?? false))) {
      const file = path.join(folder, block.name ?? "part.toml");
      if (block.name === undefined) writeFileSync(file, wholeFile(block.text));
      const { code, said } = await run(["check", file], folder, environmentOf(block.text));
      expect({ code, said: code === 0 ? "" : said }, placeOf(page, block)).toEqual({ code: 0, said: "" });
    }
  });

  if (page.blocks.some(({ language }) => language === "sql")) test("has SQL that PostgreSQL's grammar takes", async () => {
    for (const block of page.blocks.filter(({ language }) => language === "sql")) await expect(parse(block.text), placeOf(page, block)).resolves.toBeDefined();
  });
});

const code = withBlocks.filter(({ blocks }) => blocks.some(({ language }) => language === "ts"));

if (code.length > 0) describe("TypeScript of the pages", () => {
  test("has a name each", () => {
    expect(code.flatMap((page) => page.blocks.filter(({ language, name }) => language === "ts" && name === undefined).map((block) => placeOf(page, block)))).toEqual([]);
  });

  test("has no type error", async () => {
    const files = code.flatMap((page) => writeExamples(exampleFolder(), page)).filter((file) => file.endsWith(".ts"));
    expect(await typeErrors(files)).toBe("");
  });
});

for (const page of code.filter(({ blocks }) => blocks.some(({ name }) => name?.endsWith(".test.ts")))) {
  describe(`${page.file}: its own tests`, async () => {
    for (const file of writeExamples(exampleFolder(), page).filter((each) => each.endsWith(".test.ts"))) await import(/* @vite-ignore */ file);
  });
}
