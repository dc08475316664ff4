import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { problemText } from "../../src/config/configuration-error.js";
import { loadPipelineFile } from "../../src/config/load.js";
import { type LoadedOperator, loadOperators } from "../../src/pipelines/load-operators.js";
import { checkOperatorTables } from "../../src/pipelines/check-operators.js";
import { chainFor } from "../../src/pipelines/table-chain.js";
import { RunningChain } from "../../src/operators/running-chain.js";
import { TableBatch, type TableShape } from "../../src/table-batch.js";
import { NULL_VALUE } from "../../src/value-column.js";
import { DATABASES, PIPELINE_HEAD, problemsOf } from "../config/files.js";
import { ConfigurationError } from "../../src/config/configuration-error.js";

let directory: string;
beforeAll(() => { directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-operators-")); });
afterAll(() => { rmSync(directory, { recursive: true, force: true }); });

const OPERATOR = `import { defineOperator, perRow } from "pg-reshard";
import { map } from "rxjs";
import { z } from "zod";
import { suffix } from "./suffix.ts";

interface Options { readonly column: string; readonly times?: number | undefined }

export default defineOperator<Options>({
  name: "append",
  options: z.strictObject({ column: z.string(), times: z.int().min(1, { error: "1 or more" }).optional() }),
  create: ({ column, times = 1 }, { name, table, note, count }) => {
    if (!table.columns.some((each) => each.name === column)) return undefined;
    note(\`\${name} appends to \${table.name}\`);
    count("tables", 1);
    return perRow({ writes: [column] }, (row) => ({ ...row, [column]: String(row[column]) + suffix.repeat(times) }));
  },
});
export const unused: unknown = map;
`;

/** Loads the operators of a file in the directory with these entries, all of them named by its copy. */
async function load(entries: string, files: Readonly<Record<string, string>> = {}): Promise<readonly LoadedOperator[]> {
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(directory, name), text);
  const names = [...entries.matchAll(/^\[operators\.(\w+)\]/gmu)].map((match) => match[1]!);
  const file = path.join(directory, "p.toml");
  writeFileSync(file, `${entries}${PIPELINE_HEAD}${DATABASES}[[stages]]\ntype = "copy"\noperators = ${JSON.stringify(names)}\n`);
  return await loadOperators(loadPipelineFile(file, { TIMES: "3", WORD: "secret" }).operators);
}

async function mistakesOf(entries: string, files: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const outcome = await load(entries, files).then(() => undefined, (error: unknown) => error);
  if (!(outcome instanceof ConfigurationError)) throw new Error(`expected mistakes: ${String(outcome)}`);
  return problemsOf(() => { throw outcome; }).map((problem) => `${problem.code} ${problemText(problem).replaceAll(`${directory}/`, "")}`);
}

const shape = (name: string, ...columns: readonly string[]): TableShape => ({ schema: "public", name, columns: columns.map((column, index) => ({ name: column, type: "text", partOfKey: index === 0 })) });

/** A batch of one row. */
function rowOf(table: TableShape, values: readonly (string | null)[]): TableBatch {
  const bytes = values.map((value) => Buffer.from(value ?? ""));
  const offsets = bytes.map((_, index) => bytes.slice(0, index).reduce((sum, each) => sum + each.length, 0));
  return TableBatch.of({
    table, format: "text", count: 1, sequence: 1, bytes: 1,
    locate: () => ({ buffer: Buffer.concat(bytes), offsets: Int32Array.from(offsets), lengths: Int32Array.from(values, (value, index) => (value === null ? NULL_VALUE : bytes[index]!.length)), texts: new Uint8Array(values.length) }),
  });
}

const silent = { note: () => undefined, count: () => undefined };

describe("an operator of one's own", () => {
  test("in TypeScript is loaded beside the pipeline file, with what it imports, and works", async () => {
    const loaded = await load('[operators.a]\ntype = "./append.ts"\ncolumn = "email"\ntimes = "${TIMES}"\n', { "append.ts": OPERATOR, "suffix.ts": 'export const suffix: string = "!";\n' });
    expect(loaded).toMatchObject([{ name: "a", tables: undefined, definition: { name: "append" }, options: { column: "email", times: 3 } }]);
    const told: unknown[] = [];
    const listener = { note: (message: string) => told.push(message), count: (...figure: readonly unknown[]) => told.push(figure) };
    const users = shape("users", "id", "email");
    const chain = chainFor(loaded, users, listener);
    expect(told).toEqual(['Operator "a": a appends to users', ["a", "tables", 1]]);
    expect(new RunningChain(chain!).rows(rowOf(users, ["1", "x@y"])).column("email").value(0)).toBe("x@y!!!");
    expect(chainFor(loaded, shape("orders", "id"), listener)).toBeUndefined();
  });

  test("in JavaScript may be the only operator among named exports", async () => {
    const loaded = await load('[operators.a]\ntype = "drop.mjs"\n', { "drop.mjs": 'export const limit = 5;\nexport const drop = { name: "drop", options: { safeParse: (data) => ({ success: true, data }) }, create: () => (batches) => batches };\n' });
    expect(loaded).toMatchObject([{ definition: { name: "drop" } }]);
    const chain = chainFor(loaded, shape("users", "id"), silent);
    // A bare RxJS operator: it may do anything.
    expect(chain).toMatchObject({ drops: true, sharding: undefined });
  });

  const schemaless = 'options: { safeParse: (data) => ({ success: true, data }) }';
  test.each([
    ["that is not there", '[operators.a]\ntype = "./none.ts"\n', {}, ['OPERATOR_MODULE_FAILED p.toml:2:8: the module "./none.ts" is not there, expected a module at none.ts']],
    ["that is no module", '[operators.a]\ntype = "./x.py"\n', { "x.py": "" }, ['OPERATOR_MODULE_FAILED p.toml:2:8: the module "./x.py" is neither TypeScript nor JavaScript, expected a file that ends in .ts, .mts, .cts, .js, .mjs, .cjs']],
    ["that throws", '[operators.a]\ntype = "./throws.ts"\n', { "throws.ts": 'const a: number = 1;\nthrow new Error("no " + a);\n' }, ['OPERATOR_MODULE_FAILED p.toml:2:8: the module "./throws.ts" cannot be loaded: no 1, expected a module that loads']],
    ["that is not TypeScript", '[operators.a]\ntype = "./syntax.ts"\n', { "syntax.ts": "const a: number = ;\n" }, ['OPERATOR_MODULE_FAILED p.toml:2:8: the module "./syntax.ts" cannot be loaded: Unexpected token, syntax.ts:1:18, expected a module that loads']],
    ["without an operator", '[operators.a]\ntype = "./empty.ts"\n', { "empty.ts": "export const a = 1;\n" }, ['OPERATOR_MODULE_FAILED p.toml:2:8: the module "./empty.ts" exports no operator, expected export default defineOperator({ name, options, create })']],
    ["with two", '[operators.a]\ntype = "./two.mjs"\n', { "two.mjs": `export const a = { name: "a", ${schemaless}, create() {} };\nexport const b = { ...a };\n` }, ['OPERATOR_MODULE_FAILED p.toml:2:8: the module "./two.mjs" exports several operators: a, b, expected one of them as its default export']],
  ])("%s", async (_, entries, files, lines) => {
    expect(await mistakesOf(entries, files)).toEqual(lines);
  });

  test("that throws is shown with its own stack, without ours", async () => {
    const file = { "deep.ts": "const a = 1;\nfunction deep(): never {\n  throw new Error(`no ${a}`);\n}\ndeep();\n" };
    const error = await load('[operators.a]\ntype = "./deep.ts"\n', file).catch((thrown: unknown) => thrown as ConfigurationError);
    const detail = (error as ConfigurationError).problems[0]!.detail!.split("\n");
    expect(detail[0]).toBe("Error: no 1");
    expect(detail[1]).toContain(`deep (${path.join(directory, "deep.ts")}:3:`);
    expect(detail[2]).toContain(`${path.join(directory, "deep.ts")}:5:1`);
    expect(detail.join("\n")).not.toMatch(/jiti|operator-module/u);
  });
});

test("options are checked where they stand, all of them at once", async () => {
  const lines = await mistakesOf(
    '[operators.a]\ntype = "./append.ts"\ncolum = "email"\ntimes = 0\n[operators.b]\ntype = "./append.ts"\ncolumn = 5\ntimes = "${WORD}"\n[operators.c]\ntype = "upcase"\n',
    { "append.ts": OPERATOR, "suffix.ts": 'export const suffix: string = "!";\n' },
  );
  expect(lines.map((line) => line.replace(/expected (?:one of [\w, ]+, or )?the path/u, "expected the path"))).toEqual([
    'OPERATOR_OPTIONS p.toml:1:1: [operators.a] lacks "column", expected string',
    'OPERATOR_OPTIONS p.toml:4:9: "times" is 0, expected 1 or more',
    'OPERATOR_OPTIONS p.toml:3:1: [operators.a] has no option "colum", did you mean "column"?',
    'OPERATOR_OPTIONS p.toml:7:10: "column" is 5, expected string',
    'OPERATOR_OPTIONS p.toml:8:9: "times" is a value from the environment, expected number',
    'OPERATOR_UNKNOWN p.toml:10:8: there is no operator of type "upcase", expected the path of a module, such as "./my-operator.ts"',
  ]);
});

test("what may be secret is not told", async () => {
  const lines = await mistakesOf('[operators.a]\ntype = "./keyed.ts"\nkey = "hunter2"\n', { "keyed.ts": 'import { z } from "zod";\nexport default { name: "x", options: z.strictObject({ key: z.string().min(16) }), create() {} };\n' });
  expect(lines).toEqual([expect.stringMatching(/^OPERATOR_OPTIONS p\.toml:3:7: "key" is not shown, expected /u)]);
});

describe("tables", () => {
  const NONE = 'export default { name: "none", options: { safeParse: (data) => ({ success: true, data }) }, create: () => (batches) => batches };\n';
  const entries = (tables: string): string => `[operators.a]\ntype = "./none.mjs"\ntables = ${tables}\n`;

  test.each([
    ['["users"]', "public", "users", true],
    ['["users"]', "crm", "users", true],
    ['["users"]', "crm", "users2", false],
    ['["crm.users"]', "crm", "users", true],
    ['["crm.users"]', "public", "users", false],
    ['["x", "crm.*"]', "crm", "orders", true],
    ['["crm.*"]', "crm2", "orders", false],
    ['["my.table"]', "public", "my.table", true],
  ])("%s is %s.%s: %s", async (tables, schema, name, expected) => {
    const loaded = await load(entries(tables), { "none.mjs": NONE });
    expect(chainFor(loaded, { ...shape(name, "id"), schema }, silent) !== undefined).toBe(expected);
  });

  test("a partition is meant by the name of its table", async () => {
    const loaded = await load(entries('["events"]'), { "none.mjs": NONE });
    expect(chainFor(loaded, { ...shape("events_2024", "id"), root: { schema: "public", name: "events" } }, silent)).toMatchObject({ input: { name: "events_2024" } });
  });

  test("that no moved table is are refused, with what was meant", async () => {
    const loaded = await load(entries('["users", "crm.tenant"]'), { "none.mjs": NONE });
    const tables = [{ schema: "public", name: "users" }, { schema: "crm", name: "tenants" }];
    expect(() => { checkOperatorTables(loaded, tables); }).toThrow(expect.objectContaining({ code: "OPERATOR_TABLE_UNKNOWN", remedy: expect.stringContaining('Did you mean "crm.tenants"?') as unknown, place: { file: path.join(directory, "p.toml"), line: 3, column: 20 } }) as Error);
    expect(() => { checkOperatorTables(loaded.map((each) => ({ ...each, tables: ["crm.*", "users"] })), tables); }).not.toThrow();
  });
});

test("an exception while an operator is made for a table names both", async () => {
  const loaded = await load('[operators.a]\ntype = "./fails.ts"\n', { "fails.ts": 'import { z } from "zod";\nexport default { name: "x", options: z.strictObject({}), create() { throw new Error("no tenant"); } };\n' });
  expect(() => chainFor(loaded, shape("users", "id"), silent)).toThrow(expect.objectContaining({ code: "OPERATOR_FAILED", message: 'Operator "a" cannot be made for users: no tenant' }) as Error);
});
