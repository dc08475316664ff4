import { TABLES } from "../support/changes-tables.js";
import type { Row, TableSpec } from "../support/changes.js";

export const SPECS: ReadonlyMap<number, TableSpec> = new Map(TABLES.map((table) => [table.oid, table]));

/** Places of columns with a unique constraint of their own, by the table's OID: what set-based steps can run into. */
export const UNIQUE_COLUMNS: ReadonlyMap<number, number> = new Map([[1, 1]]);

/**
 * Rows of this table never get another key: its sharding key lies outside the row and outside the replica identity, so an
 * update does not tell which shard has the row, and none looks up what it may lack.
 */
export const KEYS_STAY: ReadonlySet<string> = new Set(["drifted"]);

/** True where another row has the value of `row` in the table's unique column. */
export function violatesUnique(oid: number, key: string, row: Row, others: Iterable<readonly [string, Row]>): boolean {
  const column = UNIQUE_COLUMNS.get(oid);
  if (column === undefined || row[column] === null) return false;
  for (const [otherKey, other] of others) if (otherKey !== key && other[column] === row[column]) return true;
  return false;
}
