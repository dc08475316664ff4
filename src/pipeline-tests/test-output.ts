import type { Problem } from "../config/configuration-error.js";
import type { PipelineTest, TestChange } from "../config/types.js";
import { type TestColumn, type TestTable, typeOf } from "../testing/test-table.js";
import { textsOf } from "./test-values.js";

/** What comes out: a row's values by column on a shard, or what becomes of it there. */
export interface Output {
  readonly shard: number | "every";
  /** Undefined: a copied row. */
  readonly kind: TestChange["kind"] | undefined;
  readonly values: ReadonlyMap<string, string | null>;
  readonly old: ReadonlyMap<string, string | null> | undefined;
}

/** The same of what is expected; the shard where it is asked for. */
export type Expectation = Omit<Output, "shard"> & { readonly shard: number | "every" | undefined };

/** Values that a row carries. */
export function byName(table: TestTable, row: readonly (string | null | undefined)[]): ReadonlyMap<string, string | null> {
  return new Map(table.columns.flatMap(({ name }, place): [string, string | null][] => (row[place] === undefined ? [] : [[name, row[place]]])));
}

/** What a test expects of rows or changes; mistakes in it go to `problems`. */
export function expectations(test: PipelineTest, after: TestTable, shards: number, problems: Problem[]): Expectation[] {
  const shardOf = (shard: number | "every" | undefined, index: number): Expectation["shard"] => {
    if (typeof shard === "number" && shard >= shards) problems.push({ ...test.placeOf("expect", index, "shard"), code: "UNKNOWN_SHARD", message: `there is no shard ${shard}`, expected: shards === 1 ? "shard 0, the only one" : `a shard from 0 to ${shards - 1}, or "every"` });
    return shard === "every" && shards === 1 ? 0 : shard;
  };
  if (test.expected.kind === "rows") {
    return test.expected.rows.map(({ shard, row }, index) => ({ shard: shardOf(shard, index), kind: undefined, values: textsOf(after, row, (column) => test.placeOf("expect", index, column), problems), old: undefined }));
  }
  if (test.expected.kind === "error" || test.expected.kind === "sql") return [];
  return test.expected.changes.map((change, index) => {
    const texts = (key: string, row: Parameters<typeof textsOf>[1]): ReadonlyMap<string, string | null> => textsOf(after, row, (column) => test.placeOf("expect", index, key, column), problems);
    return {
      shard: shardOf(change.shard, index), kind: change.kind,
      values: change.kind === "truncate" ? new Map<string, string | null>() : texts(change.kind, change.row),
      old: change.kind === "update" && change.old !== undefined ? texts("old", change.old) : undefined,
    };
  });
}

/** Columns that are left out are NULL, as in what is given; an old row that is left out is not asked for. */
export function fits(expected: Expectation, got: Output): boolean {
  const equal = (some: ReadonlyMap<string, string | null>, others: ReadonlyMap<string, string | null> = new Map()): boolean => [...new Set([...some.keys(), ...others.keys()])].every((name) => (some.get(name) ?? null) === (others.get(name) ?? null));
  return expected.kind === got.kind && (expected.shard === undefined || expected.shard === got.shard) && equal(expected.values, got.values) && (expected.old === undefined || equal(expected.old, got.old));
}

/** As a person would write it into the file. */
export function textOfOutput(table: TestTable, { shard, kind, values, old }: Expectation): string {
  const row = (of: ReadonlyMap<string, string | null>): string => table.columns.flatMap((column) => {
    const text = of.get(column.name) ?? null;
    return text === null ? [] : [`${/^[A-Za-z0-9_-]+$/u.test(column.name) ? column.name : JSON.stringify(column.name)} = ${tomlText(column, text)}`];
  }).join(", ");
  const parts = [
    ...(shard === undefined ? [] : [`shard = ${shard === "every" ? '"every"' : shard}`]),
    ...(kind === undefined ? (values.size === 0 ? [] : [row(values)]) : kind === "truncate" ? ["truncate = true"] : [`${kind} = { ${row(values)} }`]),
    ...(old === undefined ? [] : [`old = { ${row(old)} }`]),
  ];
  return `{ ${parts.join(", ")} }`;
}

function tomlText(column: TestColumn, text: string): string {
  if (["int2", "int4", "int8"].includes(typeOf(column))) return text;
  return typeOf(column) === "bool" ? String(text === "t") : JSON.stringify(text);
}
