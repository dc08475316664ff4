import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const SOURCE = fileURLToPath(new URL("../../src/", import.meta.url));

/** The types that flow between sources, operators and sinks: files at the root. */
const BATCHES = ["flow.ts", "row-batch.ts", "change-batch.ts", "table-batch.ts", "value-column.ts", "text-batch.ts", "apply-step.ts", "in-flight-window.ts"];

/**
 * The house, from the top: a part may import from the layers below its own, never from its own layer's other parts or
 * from above. Parts are folders of src/ and files at its root.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["cli", "index.ts", "testing.ts"],
  ["demo"],
  ["serve"],
  ["admin"],
  ["gateway"],
  ["pipeline-tests"],
  ["pipelines", "embedded"],
  ["testing"],
  ["sources", "operators", "sinks"],
  ["batches", "progress", "schema", "pg-dump"],
  ["sharding"],
  ["wire"],
  ["postgres"],
  ["words.ts", "masked.ts", "closing.ts", "in-lanes.ts", "package-file.ts"],
];

/** Imported anywhere: the errors, what the configuration's types say, what a mistake in it is, and what tells the word that was meant. The rest of config/ is for the faces. */
const EVERYWHERE = new Set(["errors.ts", "config/types.ts", "config/configuration-error.ts", "config/did-you-mean.ts"]);
const CONFIG_USERS = new Set(["cli", "demo", "serve", "index.ts"]);

/** Longer than the soft limit, and why. */
const LONG_FILES: Readonly<Record<string, string>> = {};
const SOFT_LIMIT = 300;

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Paths under src/, with slashes. */
const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).map((file) => file.split(path.sep).join("/")).filter((file) => file.endsWith(".ts"));
const texts = new Map(files.map((file) => [file, readFileSync(path.join(SOURCE, file), "utf8")]));
const imports = files.flatMap((file): Import[] => {
  const statements = texts.get(file)!.matchAll(/(?:^|\n)(?:import|export)\s[^;]*?from\s+"(?<from>[^"]+)"|(?:^|\n)import\s+"(?<bare>[^"]+)"|import\("(?<dynamic>[^"]+)"\)|new URL\("(?<url>\.[^"]+)"/g);
  return [...statements].flatMap(({ groups }) => {
    const target = groups!["from"] ?? groups!["bare"] ?? groups!["dynamic"] ?? groups!["url"]!;
    const to = path.posix.join(path.posix.dirname(file), target).replace(/\.js$/, ".ts");
    // Packages, and what lies beside src/.
    return !target.startsWith(".") || to.startsWith("../") ? [] : [{ from: file, to }];
  });
});

function partOf(file: string): string {
  const [first] = file.split("/");
  return BATCHES.includes(first!) ? "batches" : first!;
}

function layerOf(part: string): number {
  return LAYERS.findIndex((parts) => parts.includes(part));
}

describe("the house", () => {
  test("is read whole", () => {
    expect(files.length).toBeGreaterThan(80);
    // Each file that is imported is there, and most files import something.
    expect(imports.filter(({ to }) => !texts.has(to))).toEqual([]);
    expect(new Set(imports.map(({ from }) => from)).size).toBeGreaterThan(files.length / 2);
  });

  test("every part has its place", () => {
    const parts = new Set(files.map(partOf));
    expect([...parts].filter((part) => layerOf(part) < 0 && part !== "config" && !EVERYWHERE.has(part))).toEqual([]);
  });

  test("imports point downwards", () => {
    const wrong = imports.filter(({ from, to }) => {
      const [above, below] = [partOf(from), partOf(to)];
      if (above === below || EVERYWHERE.has(to)) return false;
      // The configuration is plain data: it imports the errors only.
      if (above === "config") return true;
      if (below === "config") return !CONFIG_USERS.has(above);
      return layerOf(below) <= layerOf(above);
    });
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  test("no circles", () => {
    const targets = new Map(files.map((file) => [file, imports.filter(({ from }) => from === file).map(({ to }) => to)]));
    const done = new Set<string>();
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) throw new Error(`a circle: ${[...trail.slice(trail.indexOf(file)), file].join(" > ")}`);
      if (done.has(file)) return;
      for (const target of targets.get(file) ?? []) visit(target, [...trail, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(done.size).toBeGreaterThanOrEqual(files.length);
  });

  test("the command line begins without what few commands need", () => {
    const loaded = new Set<string>();
    const load = (file: string): void => {
      if (loaded.has(file)) return;
      loaded.add(file);
      for (const [, to] of texts.get(file)!.matchAll(/(?:^|\n)(?:import|export)\s(?!type\b)[^;]*?from\s+"(\.[^"]+)"/g)) load(path.posix.join(path.posix.dirname(file), to!).replace(/\.js$/, ".ts"));
    };
    load("cli/main.ts");
    expect(loaded.size).toBeGreaterThan(100);
    expect([...loaded].filter((file) => ["gateway", "serve", "demo"].includes(partOf(file)) || /from "fast-check"/.test(texts.get(file)!.replaceAll(/^import type .*/gm, "")))).toEqual([]);
  });

  test("files are short", () => {
    const long = files.filter((file) => texts.get(file)!.split("\n").length - 1 > SOFT_LIMIT).sort();
    expect(long).toEqual(Object.keys(LONG_FILES).sort());
  });

  test("operators know no promises: only sources and sinks wait", () => {
    const code = (file: string): string => texts.get(file)!.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    const promising = files.filter((file) => partOf(file) === "operators" && /\basync\b|\bawait\b|\bPromise\b/.test(code(file)));
    expect(promising).toEqual([]);
  });
});
