import type fc from "fast-check";
import type { Row } from "../operators/lazy-row.js";
import type { Lsn } from "../postgres/lsn.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { type State, type TestRow, valuesOf } from "./test-rows.js";
import type { TestTable } from "./test-table.js";

/** What a source did, as its slot sends it, and what it held after each transaction. */
export interface History {
  readonly tables: readonly TestTable[];
  /** Of the values that are sent. */
  readonly format: ValueFormat;
  readonly payloads: readonly Buffer[];
  /** Payload `i` is of transaction `transactionOf[i]`; -1 before the first. */
  readonly transactionOf: readonly number[];
  readonly transactions: readonly { readonly commitLsn: Lsn; readonly endLsn: Lsn; readonly after: State }[];
  /** What a failed property shows. */
  readonly [fc.toStringMethod]: () => string;
}

/** The state that a snapshot at `position` shows. */
export function stateAt(history: History, position: Lsn): State {
  return history.transactions.filter(({ commitLsn }) => commitLsn < position).at(-1)?.after ?? new Map<number, ReadonlyMap<string, TestRow>>();
}

export function finalState(history: History): State {
  return stateAt(history, 1n << 63n);
}

/** Rows of a table in a state, as `perRow` gives them. */
export function rowsOf(state: State, table: TestTable): Row[] {
  return [...(state.get(table.oid)?.values() ?? [])].map((row) => valuesOf(table, row));
}
