import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadServeConfiguration } from "../../src/config/serve.js";
import { renameDatabases } from "../../src/config/rename-databases.js";
import type { Database } from "../../src/config/types.js";
import { readRouting, writeRouting } from "../../src/serve/routing-file.js";
import { inChargeOf, type ServedDatabase, servedDatabases, swappedRouting } from "../../src/serve/served-databases.js";
import { DATABASES, filesOf } from "../config/files.js";

let directory: string;
beforeEach(() => { directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-")); });
afterEach(() => { rmSync(directory, { recursive: true, force: true }); });

const OTHER = '[[databases]]\nname = "logs"\nhost = "elsewhere"\nuser = "u"\n';

function databasesOf(text: string): readonly Database[] {
  return loadServeConfiguration({ config: "c", users: "c" }, {}, filesOf({ c: text })).databases;
}

function names(served: readonly ServedDatabase[]): string[][] {
  return served.map(({ name, permanentName, configuredName, database }) => [name, permanentName, configuredName, database.shards[0]!.primary.host]);
}

const named = (served: readonly ServedDatabase[], name: string): ServedDatabase => served.find((each) => each.name === name)!;

test("names are the files' until two are exchanged, and then what was written, whatever the files say", () => {
  const text = DATABASES + OTHER;
  const before = servedDatabases(databasesOf(text), readRouting(directory));
  expect(names(before)).toEqual([["prod", "prod", "prod", "old"], ["prod_2x", "prod_2x", "prod_2x", "shard-0"], ["logs", "logs", "logs", "elsewhere"]]);

  const inCharge = (served: readonly ServedDatabase[], from: string, to: string): string => {
    const permanently = (name: string): ServedDatabase => served.find(({ permanentName }) => permanentName === name)!;
    return inChargeOf(readRouting(directory), permanently(from), permanently(to));
  };
  expect(inCharge(before, "prod", "prod_2x")).toBe("source");
  writeRouting(directory, swappedRouting(readRouting(directory), named(before, "prod"), named(before, "prod_2x")));
  const after = servedDatabases(databasesOf(text), readRouting(directory));
  expect(names(after)).toEqual([["prod_2x", "prod", "prod", "old"], ["prod", "prod_2x", "prod_2x", "shard-0"], ["logs", "logs", "logs", "elsewhere"]]);

  // The files are saved with the names exchanged: the same servers serve the same names.
  const saved = servedDatabases(databasesOf(renameDatabases(text, new Map([["prod", "prod_2x"], ["prod_2x", "prod"]]))!), readRouting(directory));
  expect(names(saved)).toEqual([["prod_2x", "prod", "prod_2x", "old"], ["prod", "prod_2x", "prod", "shard-0"], ["logs", "logs", "logs", "elsewhere"]]);

  expect([inCharge(saved, "prod", "prod_2x"), inCharge(saved, "prod_2x", "prod")]).toEqual(["destination", "source"]);

  // And back.
  writeRouting(directory, swappedRouting(readRouting(directory), named(after, "prod"), named(after, "prod_2x")));
  const back = servedDatabases(databasesOf(text), readRouting(directory));
  expect([inCharge(back, "prod", "prod_2x"), inCharge(back, "prod_2x", "prod")]).toEqual(["source", "destination"]);
  expect(names(servedDatabases(databasesOf(text), readRouting(directory)))).toEqual(names(before));
  expect(readdirSync(directory)).toEqual(["pg-reshard.routing.json"]);
});

test("a file that cannot be read stops the start: the wrong side could take writes", () => {
  const file = path.join(directory, "pg-reshard.routing.json");
  writeRouting(directory, { databases: [{ servers: ["h:1/d"], permanentName: "a", servedName: "b" }], pairs: [] });
  writeFileSync(file, readFileSync(file, "utf8").slice(0, -10));
  expect(() => readRouting(directory)).toThrow(expect.objectContaining({ code: "ROUTING_FILE_BROKEN" }));
});
