import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { pipelineJsonSchema } from "../../src/cli/pipeline-json-schema.js";
import { operatorTestTemplate } from "../../src/cli/new/operator-template.js";
import { pipelineTemplate } from "../../src/cli/new/pipeline-template.js";
import { runCommandLine } from "../../src/cli/program.js";
import * as grammar from "../../src/config/grammar.js";
import { KEY_DESCRIPTIONS } from "../../src/config/key-descriptions.js";
import { PROXY_SECTIONS } from "../../src/config/proxy-keys.js";
import { PIPELINE_SECTIONS, SERVE_SECTIONS, SHARED_SECTIONS } from "../../src/config/sections.js";
import { EXPECTED_CHANGE, EXPECTED_ROW, TEST_CHANGE, TESTS } from "../../src/config/test-grammar.js";
import { stockOperators } from "../../src/operators/stock/stock-operators.js";
import { DATABASES, PIPELINE_HEAD } from "../config/files.js";
import { pages } from "../docs/pages.js";
import { recordedTerminal } from "./terminal.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(pipelineJsonSchema());

/** The places that a text is refused at, as the schema sees it. */
function refused(text: string): readonly string[] {
  validate(parse(text));
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
}

const MOVE = PIPELINE_HEAD + DATABASES;

describe("the schema of pipeline files", () => {
  it("is committed as it is (pg-reshard schema > pipeline.schema.json)", async () => {
    const terminal = recordedTerminal();
    expect(await runCommandLine(["schema"], terminal)).toBe(0);
    expect(readFileSync(path.join(root, "pipeline.schema.json"), "utf8")).toBe(terminal.written.out);
  });

  it("is named by every example, which keeps to it", () => {
    const examples = readdirSync(path.join(root, "examples"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".toml") && !file.endsWith(".test.toml"));
    expect(examples.length).toBeGreaterThan(1);
    for (const example of examples) {
      const file = path.join(root, "examples", example);
      const text = readFileSync(file, "utf8");
      expect(text.split("\n", 1)[0]).toBe(`#:schema ${path.relative(path.dirname(file), path.join(root, "pipeline.schema.json"))}`);
      expect(refused(text)).toEqual([]);
    }
  });

  it("takes every example of the documents", () => {
    const blocks = pages.flatMap(({ file, blocks: own }) => own.filter(({ language }) => language === "toml").map(({ text, line }) => ({ place: `${file}:${line}`, text })));
    expect(blocks.length).toBeGreaterThan(15);
    for (const { place, text } of blocks) expect({ place, refused: refused(text) }).toEqual({ place, refused: [] });
  });

  it.each([
    ["a move", MOVE],
    ["a new pipeline file", pipelineTemplate("moves")],
    ["stages of each type", `${MOVE}[[stages]]\ntype = "schema_sync"\nphase = "pre"\n[[stages]]\ntype = "copy"\noperators = ["a"]\n[[stages]]\ntype = "replicate"\nuntil = "\${X}"\n[[stages]]\ntype = "verify"\n[[stages]]\ntype = "flow"\nsource = "a"\nsink = "b"\n[[stages]]\ntype = "command"\nrun = "true"\ntimeout = "\${TIMEOUT}"\n[[stages]]\ntype = "cutover"\n`],
    ["an operator of one's own", '[operators.a]\ntype = "./a.ts"\ntables = ["a"]\nanything = 5\n'],
    ["sources and sinks", '[sources.a]\ntype = "table"\ndatabase = "prod"\ntable = "users"\n[sinks.b]\ntype = "ndjson"\npath = "x"\n'],
    ["tests", `${operatorTestTemplate("mask")}[[tests]]\nname = "a"\ntable = "a"\ncolumns = { id = "bigint" }\nchanges = [{ update = { id = 1 }, old = { id = 2 } }, { truncate = true }]\nexpect = [{ shard = "every", insert = { id = 1 } }, { shard = 1, id = 1, insert = 5 }]\nexpect_sql = ["x"]\nexpect_error = "X"\n`],
    ["mappings", '[[sharded_tables]]\ndatabase = "a"\ncolumn = "id"\nmapping = [{ values = [1, "a"], shard = 0 }, { start = 5, shard = 1 }]\n'],
    ["what is PgDog's", '[general]\npool_sice = 1\n'.replace("pool_sice", "default_pool_size") + "[plugins]\nx = 1\n"],
  ])("takes %s", (_, text) => {
    expect(refused(text)).toEqual([]);
  });

  it.each([
    ["a misspelt key", MOVE.replace("publication", "publicaton"), "/pipeline must NOT have additional properties"],
    ["a port in words", MOVE.replace('host = "old"', 'host = "old"\nport = "many"'), "/databases/0/port must be integer"],
    ["a database without a host", MOVE.replace('host = "old"\n', ""), "/databases/0 must have required property 'host'"],
    ["a stage of no type", `${MOVE}[[stages]]\ntype = "coppy"\n`, "/stages/0/type must be equal to constant"],
    ["a phase that is none", `${MOVE}[[stages]]\ntype = "schema_sync"\nphase = "prae"\n`, "/stages/0/phase must be equal to one of the allowed values"],
    ["an unknown section", `${MOVE}[genral]\n`, " must NOT have additional properties"],
    ["an operator of no type", '[operators.a]\ntype = "maskk"\n', "/operators/a must match exactly one schema in oneOf"],
    ["a misspelt key of a test", '[[tests]]\nname = "a"\ntable = "a"\ncolumns = {}\nexpect_sqls = []\n', "/tests/0 must NOT have additional properties"],
    ["a misspelt change", '[[tests]]\nname = "a"\ntable = "a"\ncolumns = {}\nchanges = [{ inert = { id = 1 } }]\n', "/tests/0/changes/0 must NOT have additional properties"],
    ["a test without a name", '[[tests]]\ntable = "a"\ncolumns = {}\n', "/tests/0 must have required property 'name'"],
    ["a shard in words", '[[tests]]\nname = "a"\ntable = "a"\ncolumns = {}\nexpect = [{ shard = "first" }]\n', "/tests/0/expect/0/shard must be integer"],
    ["an option of another sink", '[sinks.a]\ntype = "null"\npath = "x"\n', "/sinks/a must match exactly one schema in oneOf"],
    ["a mapping to no shard", '[[sharded_tables]]\ndatabase = "a"\ncolumn = "id"\nmapping = [{ values = [1] }]\n', "/sharded_tables/0/mapping/0 must have required property 'shard'"],
  ])("refuses %s", (_, text, place) => {
    expect(refused(text)).toContain(place);
  });

  it("has every section that a file may have", () => {
    expect(Object.keys(pipelineJsonSchema()["properties"] as object).sort()).toEqual([...PIPELINE_SECTIONS, ...SHARED_SECTIONS, ...SERVE_SECTIONS, ...PROXY_SECTIONS].sort());
  });

  it("describes every key, and no other", () => {
    const sections: Readonly<Record<string, readonly string[]>> = {
      pipeline: grammar.PIPELINE.keys, stages: ["type"], operators: grammar.OPERATOR("").keys, sources: grammar.FLOW_END("").keys, sinks: grammar.FLOW_END("").keys,
      databases: grammar.DATABASES.keys, users: grammar.USERS.keys, sharded_tables: grammar.SHARDED_TABLES.keys, sharded_mappings: grammar.SHARDED_MAPPINGS.keys,
      tests: TESTS.keys, "tests.changes": TEST_CHANGE.keys, "tests.expect": EXPECTED_CHANGE.keys, "tests.expected_row": EXPECTED_ROW.keys,
      sharded_schemas: grammar.SHARDED_SCHEMAS.keys, omnisharded_tables: grammar.OMNISHARDED_TABLES.keys, rehearsals: grammar.REHEARSALS.keys, general: grammar.GENERAL.keys, admin: grammar.ADMIN.keys,
      replication: grammar.REPLICATION.keys, cutover: grammar.CUTOVER.keys,
      ...Object.fromEntries(Object.entries(grammar.STAGES).map(([type, { keys }]) => [`stages.${type}`, keys.filter((key) => key !== "type")])),
    };
    expect(Object.fromEntries(Object.entries(KEY_DESCRIPTIONS).map(([section, keys]) => [section, Object.keys(keys).sort()]))).toEqual(
      Object.fromEntries(Object.entries(sections).map(([section, keys]) => [section, [...keys].sort()])),
    );
  });

  it("has the options of every stock operator", () => {
    const { operators } = pipelineJsonSchema()["properties"] as Record<string, { additionalProperties: { oneOf: readonly { properties: Record<string, { const?: string }> }[] } }>;
    expect(operators!.additionalProperties.oneOf.flatMap(({ properties }) => properties["type"]!.const ?? [])).toEqual(Object.keys(stockOperators));
  });
});
