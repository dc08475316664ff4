import { EVERY_SHARD, type ShardOfKey, type TableRoute } from "../../src/sharding/table-route.js";
import { type RowOwnership, rowOwnership } from "../../src/sinks/ownership.js";
import { routeOf, TABLES } from "../support/changes-tables.js";
import type { Row, TableSpec } from "../support/changes.js";

export const SPECS: ReadonlyMap<number, TableSpec> = new Map(TABLES.map((table) => [table.oid, table]));

/** Places of columns with a unique constraint of their own, by the table's OID: what set-based steps can run into. */
export const UNIQUE_COLUMNS: ReadonlyMap<number, number> = new Map([[1, 1]]);

/** True where another row has the value of `row` in the table's unique column. */
export function violatesUnique(oid: number, key: string, row: Row, others: Iterable<readonly [string, Row]>): boolean {
  const column = UNIQUE_COLUMNS.get(oid);
  if (column === undefined || row[column] === null) return false;
  for (const [otherKey, other] of others) if (otherKey !== key && other[column] === row[column]) return true;
  return false;
}

/** How the source spreads a table's rows: by other bits than the destination, so that each source shard has rows of each shard. */
export function sourceRouteOf(oid: number, sources: number): TableRoute {
  const route = routeOf(oid, sources);
  const shardOf: ShardOfKey = (bytes, offset, length) => (length < 0 ? 0 : (bytes[offset + length - 1]! >> 1) % sources);
  return route.kind === "key" ? { ...route, shardOf } : route;
}

/** Whose rows are whose for a source shard's stream; undefined where one source shard has them all. */
export function ownershipIn(oid: number, source: number, sources: number): RowOwnership | undefined {
  if (sources === 1) return undefined;
  const { columns } = SPECS.get(oid)!;
  return rowOwnership(sourceRouteOf(oid, sources), columns.filter(({ key }) => key === true).map(({ name }) => name), source);
}

/** Rows of the table may move between source shards, keeping their key. */
export function movesBetweenSources(oid: number, sources: number): boolean {
  return ownershipIn(oid, 0, sources)?.keyTells === false;
}

/** The source shard that has a row, found the plain way; `EVERY_SHARD` where all do. */
export function sourceOf(oid: number, row: Row, sources: number): number {
  const route = sourceRouteOf(oid, sources);
  if (route.kind === "omnisharded") return EVERY_SHARD;
  if (route.kind === "fixed") return route.shard;
  const bytes = ownerBytes(oid, row, route.column);
  return route.shardOf(bytes ?? Buffer.alloc(0), 0, bytes?.length ?? -1);
}

/** The value of a column in binary form; undefined is NULL. */
export function ownerBytes(oid: number, row: Row, column: string): Buffer | undefined {
  const value = row[SPECS.get(oid)!.columns.findIndex(({ name }) => name === column)] ?? null;
  return value === null ? undefined : Buffer.from(value);
}

/** A table that is the same on every source shard is taken from the first. */
export function isTaken(oid: number, source: number): boolean {
  return source === 0 || routeOf(oid, 1).kind !== "omnisharded";
}
