import { describe, expect, it } from "vitest";
import { pipelineJsonSchema } from "../../src/cli/pipeline-json-schema.js";
import { ConfigurationError, type Problem } from "../../src/config/configuration-error.js";
import { readPipelineFile } from "../../src/config/load.js";
import { SERVE_SECTIONS } from "../../src/config/sections.js";
import { loadServeConfiguration } from "../../src/config/serve.js";
import { readTests } from "../../src/config/tests.js";
import { checkFlows } from "../../src/pipelines/flow/run-flows.js";
import { loadOperators } from "../../src/pipelines/load-operators.js";
import { DATABASES, filesOf, PIPELINE_HEAD } from "../config/files.js";

/* The keys that the schema has and those that `pg-reshard check` knows are the same, asked of the check itself. */

interface Schema {
  readonly description?: string;
  readonly const?: string;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
}

interface Place {
  readonly name: string;
  readonly schema: Schema;
  /** A file with these lines there. */
  readonly file: (lines: string) => string;
  /** Keys that stand there already. */
  readonly given?: readonly string[];
  /** Keys that the check names elsewhere, and that stand there already where they have to. */
  readonly common?: readonly string[];
}

const { properties: SECTIONS } = pipelineJsonSchema() as Required<Schema>;
const MOVE = PIPELINE_HEAD + DATABASES;
const ends = { sources: '[sources.source]\ntype = "table"\ndatabase = "prod"\ntable = "a"\n', sinks: '[sinks.sink]\ntype = "null"\n' };
const flow = (operators = ""): string => `${DATABASES}[[stages]]\ntype = "flow"\nsource = "source"\nsink = "sink"\n${operators}`;
const TEST = '[[tests]]\nname = "a"\ntable = "a"\ncolumns = { id = "bigint" }\n';

const variants = (of: Schema | undefined): [string, Schema][] => (of?.oneOf ?? []).flatMap((each) => (each.properties?.["type"]?.const === undefined ? [] : [[each.properties["type"].const, each] as [string, Schema]]));
const entryOf = (section: string): Schema => SECTIONS[section]!.additionalProperties as Schema;

const PLACES: readonly Place[] = [
  ...Object.entries(SECTIONS).flatMap(([name, schema]): Place[] => {
    // Read by pg-reshard serve.
    if (SERVE_SECTIONS.includes(name)) return [{ name, schema: schema.items ?? schema, file: (lines) => `${DATABASES}${schema.items === undefined ? `[${name}]` : `[[${name}]]`}\n${lines}` }];
    if (schema.items?.properties !== undefined) return [{ name, schema: schema.items, file: (lines) => `${MOVE}[[${name}]]\n${lines}` }];
    if (schema.properties !== undefined) return [{ name, schema, file: (lines) => (name === "pipeline" ? `[pipeline]\n${lines}${DATABASES}` : `${MOVE}[${name}]\n${lines}`) }];
    return [];
  }),
  { name: "mapping", schema: SECTIONS["sharded_tables"]!.items!.properties!["mapping"]!.items!, file: (lines) => `${MOVE}[[sharded_tables]]\ndatabase = "prod_2x"\ncolumn = "id"\n[[sharded_tables.mapping]]\n${lines}` },
  { name: "tests.changes", schema: SECTIONS["tests"]!.items!.properties!["changes"]!.items!, file: (lines) => `${MOVE}${TEST}expect_sql = []\n[[tests.changes]]\n${lines}` },
  { name: "tests.expect", schema: SECTIONS["tests"]!.items!.properties!["expect"]!.items!.anyOf![0]!, file: (lines) => `${MOVE}${TEST}changes = []\n[[tests.expect]]\n${lines}` },
  ...variants(SECTIONS["stages"]!.items).map(([type, schema]): Place => ({ name: `stages.${type}`, schema, given: ["type"], file: (lines) => `${MOVE}[[stages]]\ntype = "${type}"\n${lines}` })),
  ...variants(entryOf("operators")).map(([type, schema]): Place => ({ name: `operators.${type}`, schema, common: ["type", "tables"], file: (lines) => `${flow('operators = ["mine"]\n')}${ends.sources}${ends.sinks}[operators.mine]\ntype = "${type}"\n${lines}` })),
  ...(["sources", "sinks"] as const).flatMap((section) => variants(entryOf(section)).map(([type, schema]): Place => {
    const file = (lines: string): string => `${flow()}${ends[section === "sources" ? "sinks" : "sources"]}[${section}.${section.slice(0, -1)}]\ntype = "${type}"\n${"database" in schema.properties! ? 'database = "prod"\n' : ""}${lines}`;
    return { name: `${section}.${type}`, schema, common: ["type", "database"], file };
  })),
];

/** All that the check finds wrong in a file. */
async function mistakes(text: string): Promise<readonly Problem[]> {
  const files = filesOf({ "p.toml": text });
  const found: Problem[] = [];
  const looked = async (look: () => unknown): Promise<void> => {
    try {
      await look();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      found.push(...error.problems);
    }
  };
  if (!text.includes("[pipeline]") && !text.includes("[[stages]]")) {
    await looked(() => loadServeConfiguration({ config: "p.toml", users: "p.toml" }, {}, files));
    return found;
  }
  await looked(async () => {
    const pipeline = readPipelineFile("p.toml", {}, files);
    await looked(() => { checkFlows(pipeline.stages); });
    await looked(() => loadOperators(pipeline.stages.flatMap((stage) => (stage.type === "flow" ? stage.operators : []))));
  });
  await looked(() => readTests("p.toml", {}, files));
  return found;
}

const isOfUnknown = ({ code, message }: Problem): boolean => ["UNKNOWN_KEY", "UNKNOWN_SECTION"].includes(code) || message.includes(" has no option ");

describe.each(PLACES)("$name", ({ schema, file, common = [], given = [] }) => {
  const keys = Object.keys(schema.properties!).filter((key) => !common.includes(key));

  it("has no key in the schema that check does not know", async () => {
    const lines = keys.filter((key) => !given.includes(key)).map((key) => `${key} = "x"\n`).join("");
    expect((await mistakes(file(lines))).filter(isOfUnknown)).toEqual([]);
  });

  it("has every key in the schema that check knows", async () => {
    const [problem, ...more] = (await mistakes(file("no_such_key_at_all = 1\n"))).filter(isOfUnknown);
    expect(more).toEqual([]);
    const known = problem!.expected === undefined ? [] : problem!.expected.replace(/^one of /u, "").split(", ");
    // What is accepted for PgDog's sake is not offered.
    expect(known.sort()).toEqual(keys.filter((key) => schema.properties![key]!.description !== "Of PgDog as a proxy; not used.").sort());
  });
});

it("all places are there", () => {
  expect(PLACES.map(({ name }) => name.split(".")[0]!)).toEqual(expect.arrayContaining(Object.entries(SECTIONS).filter(([, { description }]) => description !== "Of PgDog as a proxy; not used.").map(([name]) => name)));
  expect(PLACES.length).toBeGreaterThan(35);
});
