import type fc from "fast-check";
import * as testing from "../../src/testing/arbitrary-history.js";
import type { History } from "../../src/testing/history.js";
import type { TableSpec } from "./changes.js";

export { finalState, type History, stateAt } from "../../src/testing/history.js";
export type { State } from "../../src/testing/test-rows.js";

export interface ColumnSpec {
  readonly name: string;
  readonly key?: boolean;
  readonly large?: boolean;
  /** It has few different values, so that whole rows are equal. */
  readonly few?: boolean;
}

/** Histories of the project's own tables of texts: few values, which meet again. */
export function arbitraryHistory({ tables }: { readonly tables: readonly TableSpec[] }): fc.Arbitrary<History> {
  return testing.arbitraryHistory(tables, { valuesOf: (column) => Array.from({ length: 21 }, (_, number) => valueOf(column, number)) });
}

/** Few different values, so that keys meet again. */
export function valueOf(column: ColumnSpec, number: number): string | null {
  if (column.few === true) return [null, "v1", "v2", column.large === true ? "T3" : "v3"][number % 4]!;
  if (column.key === true) return column.large === true && number % 2 === 0 ? `T${number % 6}` : `k${number % 5}`;
  if (column.large === true) return number % 4 === 0 ? `s${number}` : `T${number}`;
  return number % 5 === 0 ? null : `v${number}`;
}
