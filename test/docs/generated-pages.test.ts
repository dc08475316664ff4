import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generatedPages } from "../../docs/generate/pages.js";
import { errorSites } from "../../docs/generate/error-sites.js";
import { problemCodes } from "../../docs/generate/errors-page.js";
import { ROOT } from "./pages.js";

const generated = generatedPages();

describe("pages that are made from the source", () => {
  it.each([...generated])("%s is as the source has it (npm run docs)", (name, text) => {
    expect(readFileSync(`${ROOT}docs/${name}`, "utf8")).toBe(text);
  });
});

describe("docs/errors.md", () => {
  const page = generated.get("errors.md")!;

  it("has every code that the source gives an error", () => {
    const source = `${ROOT}src`;
    const texts = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).map((file) => readFileSync(`${source}/${file}`, "utf8")).join("\n");
    // Looked for in another way than the page's own: as texts.
    const codes = [...texts.matchAll(/(?:ReshardError|super|fail|#error)\(\s*"(?<code>[A-Z][A-Z_]+)"/gu)].map(({ groups }) => groups!["code"]!);
    expect(new Set(codes).size).toBeGreaterThan(90);
    expect(codes.filter((code) => !page.includes(`\n## ${code}\n`) && !page.includes(`\n| \`${code}\` |`))).toEqual([]);
  });

  it("says what to do about each of them", () => {
    const sites = errorSites(`${ROOT}src`);
    expect(sites.length).toBeGreaterThan(150);
    expect(sites.filter(({ remedy }) => remedy === undefined || remedy === "" || /^\{\w+\}$/u.test(remedy)).map(({ code, message }) => `${code}: ${message}`)).toEqual([]);
  });

  it("has every code of a mistake in a configuration", () => {
    const codes = problemCodes(`${ROOT}src`);
    expect(codes.length).toBeGreaterThan(20);
    for (const { code } of codes) expect(page).toContain(`| \`${code}\` | `);
  });

  it("tells the remedy of an error whose code or remedy comes through a function", () => {
    expect(page).toMatch(/## WAL_LEVEL\n[^#]*is not enough|## WAL_LEVEL\n[^#]*ALTER SYSTEM SET wal_level = 'logical'/u);
    expect(page).toMatch(/## REPLICA_TOO_OLD\n\n`\{server\} runs PostgreSQL \{[^`]*`\n\nRemove the entry/u);
    expect(page).toMatch(/## OPERATOR_DROPPED_KEY\n[^#]*Declare the columns that the operator writes/u);
  });
});
