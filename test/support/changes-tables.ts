import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import { EVERY_SHARD, type ShardOfKey, type TableRoute } from "../../src/sharding/table-route.js";
import type { Row, TableSpec } from "./changes.js";
import { type ColumnSpec, type History, type State, finalState } from "./changes-history.js";

/** A table and the column that its rows are sharded by, or none. */
interface RoutedTable extends TableSpec {
  readonly columns: readonly ColumnSpec[];
  readonly shardedBy?: string;
  readonly fixed?: number;
}

/** One table for each way in which identity, values outside the row and sharding key meet. */
export const TABLES: readonly RoutedTable[] = [
  { oid: 1, name: "orders", shardedBy: "id", columns: [{ name: "id", key: true }, { name: "a" }, { name: "doc", large: true }, { name: "note", large: true }] },
  { oid: 2, name: "joins", shardedBy: "y", columns: [{ name: "x", key: true }, { name: "y", key: true }] },
  { oid: 3, name: "whole", full: true, shardedBy: "a", columns: [{ name: "id", key: true }, { name: "a" }, { name: "doc", large: true }] },
  { oid: 4, name: "pages", shardedBy: "url", columns: [{ name: "n", key: true }, { name: "url", key: true, large: true }, { name: "v" }, { name: "doc", large: true }] },
  { oid: 5, name: "moved", shardedBy: "tenant", columns: [{ name: "doc", large: true }, { name: "id", key: true }, { name: "tenant" }] },
  { oid: 6, name: "drifted", shardedBy: "owner", columns: [{ name: "id", key: true }, { name: "owner", large: true }, { name: "doc", large: true }] },
  { oid: 7, name: "everywhere", columns: [{ name: "id", key: true }, { name: "doc", large: true }] },
  { oid: 8, name: "fixed", fixed: 0, columns: [{ name: "id", key: true }, { name: "doc", large: true }] },
  { oid: 9, name: "keyless", full: true, shardedBy: "a", columns: [{ name: "doc", large: true, few: true }, { name: "a", few: true }] },
];

const byOid = new Map(TABLES.map((table) => [table.oid, table]));

export function keyNames(relation: PgoutputRelation): string[] {
  return byOid.get(relation.oid)!.columns.filter(({ key }) => key === true).map(({ name }) => name);
}

/** By the last byte; NULL goes to shard 0. */
export function shardOfLastByte(shards: number): ShardOfKey {
  return (bytes, offset, length) => (length < 0 ? 0 : bytes[offset + length - 1]! % shards);
}

export function routeOf(oid: number, shards: number): TableRoute {
  const table = byOid.get(oid)!;
  if (table.fixed !== undefined) return { kind: "fixed", shard: table.fixed };
  if (table.shardedBy === undefined) return { kind: "omnisharded" };
  return { kind: "key", column: table.shardedBy, dataType: "varchar", shardOf: shardOfLastByte(shards) };
}

/** The shard that a row belongs to, found the plain way. */
export function homeOf(oid: number, row: Row, shards: number): number {
  const route = routeOf(oid, shards);
  if (route.kind === "omnisharded") return EVERY_SHARD;
  if (route.kind === "fixed") return route.shard;
  const value = row[byOid.get(oid)!.columns.findIndex(({ name }) => name === route.column)] ?? null;
  const bytes = Buffer.from(value ?? "");
  return route.shardOf(bytes, 0, value === null ? -1 : bytes.length);
}

export function isAt(shard: number, shards: number): (oid: number, row: Row) => boolean {
  return (oid, row) => [shard, EVERY_SHARD].includes(homeOf(oid, row, shards));
}

/** What one shard should hold of a state. */
export function shareOf(state: State, shard: number, shards: number): State {
  const isHere = isAt(shard, shards);
  return new Map([...state].map(([oid, rows]) => [oid, new Map([...rows].filter(([, row]) => isHere(oid, row)))]));
}

export function finalShare(history: History, shard: number, shards: number): State {
  return shareOf(finalState(history), shard, shards);
}
