import { type ApplyStep, isEqualStep, type RowSet } from "../apply-step.js";
import { COLUMN_NULL, COLUMN_TEXT } from "../postgres/pgoutput-tuple.js";
import { ABSENT } from "../postgres/tuple-values.js";
import { addRow, removeRow, type RowTable, type State, type TestRow, textOf } from "./test-rows.js";
import type { TestColumn, TestTable } from "./test-table.js";

/** The source as `completeFromSource` finds it. */
export type ReadSource = () => State;

/** Whether a row that was completed from there belongs on this shard. */
export type IsHere = (oid: number, row: TestRow) => boolean;

/** A shard's tables in memory: does with the steps what the statements of `applyToShard` do on a server. */
export class MemoryShard {
  readonly #specs: ReadonlyMap<number, TestTable>;
  readonly #tables: Map<number, Map<string, TestRow>>;

  constructor(specs: readonly TestTable[], state: State = new Map()) {
    this.#specs = new Map(specs.map((spec) => [spec.oid, spec]));
    this.#tables = new Map(specs.map(({ oid }) => [oid, new Map(state.get(oid))]));
  }

  get state(): State {
    return this.#tables;
  }

  copy(): MemoryShard {
    return new MemoryShard([...this.#specs.values()], this.#tables);
  }

  replace(state: State): void {
    for (const [oid, rows] of state) this.#tables.set(oid, new Map(rows));
  }

  /** For each row whether one with its key is there. */
  present(rows: RowSet): boolean[] {
    const spec = this.#specs.get(rows.relation.oid)!;
    return Array.from({ length: rows.count }, (_, row) => this.#tables.get(spec.oid)!.has(keyOfRow(spec, rows, row)));
  }

  apply(steps: readonly ApplyStep[], source?: ReadSource, isHere?: IsHere): void {
    for (const step of steps) applyStep(step, this.#specs, this.#tables, source, isHere);
  }
}

/** Does with one step what the statements of `applyToShard` do on a server. Specs and tables by OID. */
export function applyStep(step: ApplyStep, specs: ReadonlyMap<number, TestTable>, tables: ReadonlyMap<number, RowTable>, source?: ReadSource, isHere: IsHere = () => true): void {
  if (step.kind === "truncate") {
    for (const { oid } of step.relations) tables.get(oid)!.clear();
    return;
  }
  const spec = specs.get(step.rows.relation.oid)!;
  const table = tables.get(spec.oid)!;
  if (isEqualStep(step)) {
    const former = step.kind === "delete-equal" ? step.rows : step.kind === "update-equal" ? step.oldRows : undefined;
    if (former !== undefined) for (const row of wholeRows(spec, former)) if (!removeRow(spec, table, row)) throw new Error(`${spec.name} lacks ${row.join(" ")}`);
    if (step.kind !== "delete-equal") for (const row of wholeRows(spec, step.rows)) addRow(spec, table, row);
    return;
  }
  for (let row = 0; row < step.rows.count; row++) {
    const key = keyOfRow(spec, step.rows, row);
    if (step.kind === "delete") table.delete(key);
    else if (step.kind === "upsert") table.set(key, whole(spec, step.rows, row));
    else {
      const before = table.get(key);
      if (before !== undefined) table.set(key, before.map((value, column) => (step.columns.includes(column) ? valueAt(step.rows, row, column, spec.columns[column])! : value)));
      else if (step.arriving) {
        const completed = complete(spec, step.rows, row, source);
        if (completed !== undefined && isHere(spec.oid, completed)) table.set(key, completed);
      }
    }
  }
}

/** As `completeRows` does it for one row: what the row does not carry is what the source has; undefined where it has no such row. */
export function complete(spec: TestTable, rows: RowSet, row: number, source: ReadSource | undefined): TestRow | undefined {
  if (source === undefined) throw new Error(`${spec.name}: a row is missing that should be here`);
  return source().get(spec.oid)?.get(keyOfRow(spec, rows, row))?.map((value, column) => {
    const carried = valueAt(rows, row, column, spec.columns[column]);
    return carried === undefined ? value : carried;
  });
}

/** The value as text; undefined where the row does not carry it. */
export function valueAt(rows: RowSet, row: number, column: number, definition?: TestColumn): string | null | undefined {
  const at = rows.offsets[row * rows.relation.columns.length + column]!;
  if (at === ABSENT) return undefined;
  const kind = rows.buffer[at];
  if (kind === COLUMN_NULL) return null;
  const bytes = rows.buffer.subarray(at + 5, at + 5 + rows.buffer.readInt32BE(at + 1));
  return definition?.type === undefined ? bytes.toString() : textOf(definition, bytes, kind === COLUMN_TEXT ? "text" : "binary");
}

function wholeRows(spec: TestTable, rows: RowSet): TestRow[] {
  return Array.from({ length: rows.count }, (_, row) => whole(spec, rows, row));
}

function whole(spec: TestTable, rows: RowSet, row: number): TestRow {
  return rows.relation.columns.map((column, index) => {
    const value = valueAt(rows, row, index, spec.columns[index]);
    if (value === undefined) throw new Error(`a whole row does not carry ${column.name}`);
    return value;
  });
}

export function keyOfRow(spec: TestTable, rows: RowSet, row: number): string {
  return JSON.stringify(spec.columns.flatMap((column, index) => {
    if (column.key !== true) return [];
    const value = valueAt(rows, row, index, spec.columns[index]);
    if (value === undefined) throw new Error(`a row's key lacks ${column.name}`);
    return [value];
  }));
}

/** Comparable whatever the order in which rows came; tables without rows are left out. */
export function shown(state: State): Record<number, TestRow[]> {
  return Object.fromEntries(
    [...state].filter(([, rows]) => rows.size > 0).map(([oid, rows]) => [oid, [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)]),
  );
}
