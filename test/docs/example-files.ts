import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { atEnd } from "../support/at-end.js";
import { type Page, ROOT } from "./pages.js";

/** A folder for a page's examples, gone after the tests of the file; below the root, where its packages are found. */
export function exampleFolder(): string {
  const folder = mkdtempSync(path.join(ROOT, ".examples-"));
  atEnd(() => { rmSync(folder, { recursive: true, force: true }); });
  return folder;
}

/** Writes the files that a page shows; answers with their paths. */
export function writeExamples(folder: string, { blocks }: Pick<Page, "blocks">): readonly string[] {
  return blocks.flatMap(({ name, text }) => {
    if (name === undefined) return [];
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return [file];
  });
}

const DATABASES = ["prod", "prod_2x", "prod_2x"].map((name, index) => `
[[databases]]
name = "${name}"
shard = ${index < 2 ? 0 : 1}
host = "10.0.0.${index + 1}"
user = "migrator"
password = "secret"
`).join("");

const PIPELINE = '\n[pipeline]\nfrom = "prod"\nto = "prod_2x"\npublication = "pgdog"\n';

/** A part of a pipeline file with what it leaves out: servers, what is moved, a stage that uses its operators. */
export function wholeFile(text: string): string {
  const has = (section: string): boolean => text.includes(`[${section}`);
  const operators = [...text.matchAll(/^\[operators\.(?<name>[\w-]+)\]/gmu)].map(({ groups }) => groups!["name"]!);
  const flow = `
[[stages]]
type = "flow"
source = "the_source"
operators = ${JSON.stringify(operators)}
sink = "the_sink"
[sources.the_source]
type = "table"
database = "prod"
table = "users"
[sinks.the_sink]
type = "null"
`;
  return [
    text,
    ...(has("pipeline]") || has("[databases]]") ? [] : [PIPELINE]),
    ...(has("[databases]]") ? [] : [DATABASES]),
    ...(operators.length > 0 && !has("[stages]]") ? [flow] : []),
  ].join("\n");
}

/** Values for the variables that a text takes from the environment: those that it exports itself, and others. */
export function environmentOf(text: string): Readonly<Record<string, string>> {
  const named = [...text.matchAll(/\$\{(?<name>\w+)/gu)].map(({ groups }): [string, string] => [groups!["name"]!, groups!["name"]!.endsWith("PORT") ? "5432" : "of sixteen characters or more"]);
  const exported = [...text.matchAll(/^export (?<name>\w+)="(?<value>[^"]*)"/gmu)].map(({ groups }): [string, string] => [groups!["name"]!, groups!["value"]!]);
  return Object.fromEntries([...named, ...exported]);
}
