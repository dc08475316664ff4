import fc from "fast-check";
import { IDS, OWNERS, ownerValue, type Row, type Rows, type TableState } from "./rows.js";

type Kind = "null" | "short" | "large";

/** What an application does. Numbers pick what there is, modulo how many; a key that is taken gives way to the next. */
export type Change =
  | { readonly kind: "insert"; readonly table: number; readonly id: number; readonly owner: number; readonly values: readonly Kind[] }
  /** Each part that is undefined stays as it is; `insertFirst`: of a row that moves to another shard of the source. */
  | {
      readonly kind: "change"; readonly table: number; readonly row: number; readonly id?: number | undefined; readonly owner?: number | undefined; readonly code?: number | undefined;
      readonly values: readonly (Kind | undefined)[]; readonly insertFirst: boolean;
    }
  | { readonly kind: "delete"; readonly table: number; readonly row: number }
  /** On one shard of the source only, where `source` is given; tables that are everywhere are then left alone. */
  | { readonly kind: "truncate"; readonly tables: readonly number[]; readonly source?: number | undefined };

export interface Statement {
  readonly source: number;
  readonly text: string;
  readonly values: readonly (string | number | null)[];
  /** How many rows it is about; undefined for TRUNCATE. */
  readonly rows?: number;
}

const table = fc.nat(20);
const row = fc.nat(100);
const id = fc.nat(IDS - 1);
const owner = fc.nat(OWNERS - 1);
const kind = fc.constantFrom<Kind>("null", "short", "large");
const values = fc.array(kind, { minLength: 3, maxLength: 3 });
const someValues = fc.array(fc.option(kind, { nil: undefined, freq: 2 }), { minLength: 3, maxLength: 6 });
const untouched = fc.constant<(Kind | undefined)[]>([]);
const insertFirst = fc.boolean();

export const insert = fc.record({ kind: fc.constant("insert" as const), table, id, owner, values });
export const update = fc.record({ kind: fc.constant("change" as const), table, row, values: someValues, insertFirst });
export const keyChange = fc.record({ kind: fc.constant("change" as const), table, row, id, code: fc.option(fc.nat(15), { nil: undefined }), values: fc.oneof(untouched, someValues), insertFirst });
export const ownerChange = fc.record({ kind: fc.constant("change" as const), table, row, owner, id: fc.option(id, { nil: undefined, freq: 2 }), values: fc.oneof(untouched, someValues), insertFirst });
export const deletion = fc.record({ kind: fc.constant("delete" as const), table, row });
export const truncation = fc.record({ kind: fc.constant("truncate" as const), tables: fc.uniqueArray(table, { minLength: 1, maxLength: 3 }), source: fc.option(fc.nat(5), { nil: undefined }) });

export const anyChange: fc.Arbitrary<Change> = fc.oneof(
  { arbitrary: insert, weight: 24 },
  { arbitrary: update, weight: 20 },
  { arbitrary: keyChange, weight: 12 },
  { arbitrary: ownerChange, weight: 24 },
  { arbitrary: deletion, weight: 14 },
  { arbitrary: truncation, weight: 1 },
);

/** Changes the rows and says what to run on the source; nothing where there is no row to change. */
export function statementsOf(rows: Rows, change: Change): Statement[] {
  if (change.kind === "truncate") return truncate(rows, change);
  const state = rows.tables[change.table % rows.tables.length]!;
  if (change.kind === "insert") {
    const added = rows.free(state, { id: change.id, owner: change.owner, code: change.id, texts: textsOf(rows, state, change.values) });
    state.rows = [...state.rows, added];
    return rows.sourcesOf(state.table, added).map((source) => insertInto(state, added, source));
  }
  if (state.rows.length === 0) return [];
  const before = state.rows[change.row % state.rows.length]!;
  const others = state.rows.filter((other) => other !== before);
  if (change.kind === "delete") {
    state.rows = others;
    return rows.sourcesOf(state.table, before).map((source) => deleteFrom(state, before, source));
  }
  const wanted = { id: change.id ?? before.id, owner: change.owner ?? before.owner, code: change.code ?? before.code, texts: { ...before.texts, ...textsOf(rows, state, change.values) } };
  const after = rows.free(state, wanted, before);
  state.rows = [...others, after];
  const [from, to] = [rows.sourcesOf(state.table, before), rows.sourcesOf(state.table, after)];
  if (from.join() === to.join()) return from.flatMap((source) => updateOf(state, before, after, source));
  const move = [insertInto(state, after, to[0]!), deleteFrom(state, before, from[0]!)];
  return change.insertFirst ? move : move.reverse();
}

function truncate(rows: Rows, { tables, source }: Extract<Change, { kind: "truncate" }>): Statement[] {
  const only = source === undefined ? undefined : source % rows.sources;
  const states = [...new Set(tables.map((index) => rows.tables[index % rows.tables.length]!))].filter(({ table }) => only === undefined || table.owner !== undefined);
  if (states.length === 0) return [];
  for (const state of states) state.rows = state.rows.filter((row) => only !== undefined && !rows.sourcesOf(state.table, row).includes(only));
  const text = `TRUNCATE ${states.map(({ table }) => table.name).join(", ")}`;
  return Array.from({ length: rows.sources }, (_, number) => number).filter((number) => only === undefined || number === only).map((number) => ({ source: number, text, values: [] }));
}

function textsOf(rows: Rows, { texts }: TableState, kinds: readonly (Kind | undefined)[]): Record<string, string | null> {
  return Object.fromEntries(texts.flatMap((name, index) => {
    const kind = kinds[index];
    return kind === undefined ? [] : [[name, rows.value(kind)]];
  }));
}

/** Columns and values; those of `texts` that the row does not have are left to their defaults. */
function columnsOf({ table, texts }: TableState, row: Row): [string, string | number | null][] {
  return [
    ...(table.id === undefined ? [] : [["id", row.id] as [string, number]]),
    ...(table.owner === undefined ? [] : [["owner", ownerValue(table.owner, row.owner)] as [string, string | number]]),
    ...(table.code === true ? [["code", `code ${row.code}`] as [string, string]] : []),
    ...texts.filter((name) => row.texts[name] !== undefined).map((name): [string, string | null] => [name, row.texts[name]!]),
  ];
}

function insertInto(state: TableState, row: Row, source: number): Statement {
  const columns = columnsOf(state, row);
  return {
    source,
    text: `INSERT INTO ${state.table.name} (${columns.map(([name]) => name).join(", ")}) VALUES (${columns.map((_, index) => `$${index + 1}`).join(", ")})`,
    values: columns.map(([, value]) => value),
    rows: 1,
  };
}

function deleteFrom(state: TableState, row: Row, source: number): Statement {
  const key = keyOf(state, row);
  return { source, text: `DELETE FROM ${state.table.name} WHERE ${condition(key, 0)}`, values: key.map(([, value]) => value), rows: 1 };
}

function updateOf(state: TableState, before: Row, after: Row, source: number): Statement[] {
  const old = new Map(columnsOf(state, before));
  const changed = columnsOf(state, after).filter(([name, value]) => old.get(name) !== value);
  if (changed.length === 0) return [];
  const key = keyOf(state, before);
  return [{
    source,
    text: `UPDATE ${state.table.name} SET ${changed.map(([name], index) => `${name} = $${index + 1}`).join(", ")} WHERE ${condition(key, changed.length)}`,
    values: [...changed, ...key].map(([, value]) => value),
    rows: 1,
  }];
}

function keyOf(state: TableState, row: Row): [string, string | number | null][] {
  return columnsOf(state, row).filter(([name]) => (state.table.key as readonly string[]).includes(name));
}

function condition(key: readonly [string, unknown][], from: number): string {
  return key.map(([name], index) => `${name} = $${from + index + 1}`).join(" AND ");
}

export function changeText(change: Change): string {
  const { kind, ...rest } = change;
  return `${kind} ${JSON.stringify(rest, (_, value: unknown) => (value === undefined ? "same" : value)).replaceAll('"', "")}`;
}
