import { describe, expect, test } from "vitest";
import { DATABASES, linesOf, loadText, PIPELINE_HEAD, readText } from "./files.js";

const MOVE = PIPELINE_HEAD + DATABASES;
/** The line at which text appended to MOVE begins. */
const NEXT = MOVE.split("\n").length;
const at = (line: number, column: number): { file: string; line: number; column: number } => ({ file: "p.toml", line: NEXT + line, column });

const STAGES = `[[stages]]
type = "copy"
operators = ["mails", "tenant"]
[[stages]]
type = "replicate"
operators = ["mails", "tenant"]
`;
const MAILS = `[operators.mails]
type = "mask"
tables = ["users", "crm.*"]
columns = { email = "hash", phone = ["digits", "\${KIND}"] }
limit = "\${LIMIT:-5}"
`;
const TENANT = `[operators.tenant]
type = "./tenant.ts"
`;

/** The lines of mistakes in a text appended to MOVE, their line numbers from its beginning. */
function mistakesIn(text: string): readonly string[] {
  return linesOf(() => loadText(MOVE + text)).map((line) => line.replaceAll(/p\.toml:(\d+)/gu, (_, number: string) => `+${Number(number) - NEXT}`));
}

describe("operators", () => {
  test("are those that copy and replicate name, in their order, with the places of what they say", () => {
    const { operators, stages, notes } = loadText(MOVE + STAGES + TENANT + MAILS, { KIND: "email" });
    expect(notes).toEqual([]);
    expect(stages).toEqual([{ type: "copy" }, { type: "replicate", until: "caught-up" }]);
    const [mails, tenant] = operators;
    expect(tenant).toMatchObject({ name: "tenant", type: "./tenant.ts", tables: undefined, options: {}, fromEnvironment: [], place: at(6, 1) });
    expect(mails).toEqual({
      name: "mails",
      type: "mask",
      tables: ["users", "crm.*"],
      options: { columns: { email: "hash", phone: ["digits", "email"] }, limit: "5" },
      fromEnvironment: ["columns", "limit"],
      place: at(8, 1),
      places: {
        type: at(9, 8), tables: at(10, 10), "tables.0": at(10, 11), "tables.1": at(10, 20), columns: at(11, 11), "columns.email": at(11, 21),
        "columns.phone": at(11, 37), "columns.phone.0": at(11, 38), "columns.phone.1": at(11, 48), limit: at(12, 9),
      },
      keyPlaces: expect.objectContaining({ type: at(9, 1), columns: at(11, 1), "columns.email": at(11, 13), limit: at(12, 1) }) as unknown,
    });
  });

  test("that no stage names are told of", () => {
    expect(loadText(`${MOVE}${TENANT}[sinks.rows]\ntype = "ndjson"\n`).notes).toEqual([
      `p.toml:${NEXT}:1: [operators.tenant] is not used: no stage names it`,
      `p.toml:${NEXT + 2}:1: [sinks.rows] is not used: no stage names it`,
    ]);
  });

  test.each([
    ["a name that is nowhere", `${STAGES.replaceAll("tenant", "tennant")}${TENANT}${MAILS.replace("KIND", "KIND:-")}`, [
      '+2:23: there is no [operators.tennant], expected one of "tenant", "mails", did you mean "tenant"?',
      '+5:23: there is no [operators.tennant], expected one of "tenant", "mails", did you mean "tenant"?',
    ]],
    ["a name where there are none", '[[stages]]\ntype = "copy"\noperators = ["a"]\n', ["+2:14: there is no [operators.a], expected a table [operators.a]"]],
    ["others for the stream than for the copy", `[[stages]]\ntype = "copy"\noperators = ["tenant"]\n[[stages]]\ntype = "replicate"\n${TENANT}`, [
      '+3:1: this stage has other operators than the one at +0:1, expected operators = ["tenant"] in both: copied and streamed rows have to agree',
    ]],
    ["another order for the stream", `${STAGES.replace(/\["mails", "tenant"\]\n$/u, '["tenant", "mails"]\n')}${TENANT}[operators.mails]\ntype = "mask"\n`, [
      '+5:13: this stage has other operators than the one at +0:1, expected operators = ["mails", "tenant"] in both: copied and streamed rows have to agree',
    ]],
    ["one twice", `[[stages]]\ntype = "copy"\noperators = ["tenant", "tenant"]\n${TENANT}`, ['+2:24: "operators" names "tenant" twice, expected each operator once']],
    ["names that are none", `[[stages]]\ntype = "copy"\noperators = "tenant"\n${TENANT}`, ['+2:13: "operators" is a string, expected a list of names of [operators.NAME]']],
    ["an operator without a type", "[operators.a]\nlimit = 5\n", ['+0:1: [operators.a] lacks "type", expected a string']],
    ["operators that are no table", "[[operators]]\n", ['+0:1: "operators" is a list, expected [operators], a table']],
    ["an operator that is no table", '[operators]\na = "mask"\n[[stages]]\ntype = "copy"\noperators = ["a"]\n', ["+1:5: [operators.a] is a string, expected a table"]],
    ["no tables at all", '[operators.a]\ntype = "mask"\ntables = []\n', ['+2:10: "tables" is an empty list, expected at least one table, or none of the key for all']],
    ["an unset variable inside of an option", '[operators.a]\ntype = "mask"\ncolumns = { x = "${NOWHERE}" }\n', ["+2:17: the environment variable NOWHERE is not set, expected it to be set, or a default: ${NOWHERE:-…}"]],
    ["operators of a stage that moves no rows", '[[stages]]\ntype = "verify"\noperators = ["a"]\n', ['+2:1: [[stages]] of type "verify" has no key "operators", expected one of type']],
  ])("%s", (_, text, lines) => {
    expect(mistakesIn(text)).toEqual(lines);
  });
});

const FLOW = `[[stages]]
type = "flow"
source = "users"
operators = ["mails"]
sink = "file"

[[stages]]
type = "command"
run = "gzip users.ndjson"

[operators.mails]
type = "mask"

[sources.users]
type = "table"
database = "prod"
table = "users"

[sinks.file]
type = "ndjson"
file = "users.ndjson"
`;

describe("flows and commands", () => {
  test("are a pipeline by themselves", () => {
    const pipeline = readText(FLOW + DATABASES);
    expect(pipeline).toMatchObject({
      stages: [
        {
          type: "flow",
          source: { name: "users", type: "table", options: { table: "users" }, database: { name: "prod", shards: [{ primary: { host: "old" } }] } },
          operators: [{ name: "mails" }],
          sink: { name: "file", type: "ndjson", options: { file: "users.ndjson" }, database: undefined },
        },
        { type: "command", run: "gzip users.ndjson", timeout: 600_000 },
      ],
      notes: [],
    });
    expect(pipeline.from).toBeUndefined();
  });

  test("tell of keys of [pipeline] that they do not use", () => {
    expect(readText(`[pipeline]\nfrom = "a"\n${FLOW}${DATABASES}`).notes).toEqual(['p.toml:2:1: "from" is not used: no stage moves a database']);
  });

  test("are no move", () => {
    expect(linesOf(() => loadText(FLOW + DATABASES))).toEqual(["p.toml:1:1: the file moves no database: its stages are flows and commands, expected [pipeline] with from, to and publication, and stages that move rows"]);
  });

  test("are stages of a move, too", () => {
    const { stages, operators } = loadText(`${PIPELINE_HEAD}[[stages]]\ntype = "copy"\n${FLOW}${DATABASES}`);
    expect({ types: stages.map(({ type }) => type), operators }).toEqual({ types: ["copy", "flow", "command"], operators: [] });
  });

  test.each([
    ["a misspelt source", FLOW.replace('source = "users"', 'source = "user"'), ['p.toml:3:10: there is no [sources.user], expected "users", did you mean "users"?']],
    ["a misspelt sink", FLOW.replace('sink = "file"', 'sink = "fiel"'), ['p.toml:5:8: there is no [sinks.fiel], expected "file", did you mean "file"?']],
    ["a misspelt database", FLOW.replace('"prod"', '"prdo"'), ['p.toml:16:12: no [[databases]] entry defines "prdo", expected one of "prod", "prod_2x", did you mean "prod"?']],
    ["no sink", FLOW.replace('sink = "file"\n', ""), ['p.toml:1:1: [[stages]] of type "flow" lacks "sink", expected a string']],
    ["a command without one", FLOW.replace('run = "gzip users.ndjson"', "timeout = -1"), ['p.toml:7:1: [[stages]] of type "command" lacks "run", expected a string', 'p.toml:9:11: "timeout" is -1, expected milliseconds, from 0 to 2147483647']],
    ["a move's stage among them", FLOW.replace(/type = "command"\nrun = .*\n/u, 'type = "verify"\n'), ["p.toml:1:1: the file has no [pipeline] section, expected [pipeline] with from, to and publication"]],
  ])("%s", (_, text, lines) => {
    expect(linesOf(() => readText(text + DATABASES))).toEqual(lines);
  });
});
