import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { narrowedBytes } from "../postgres/narrow-integer.js";
import type { TableColumn } from "../postgres/table-columns.js";
import { isWidening } from "../postgres/widen-integer.js";

/** A table as it is in the stream at one point, on the source by now, and on the shards. */
export interface StreamedTable {
  readonly relation: PgoutputRelation;
  /** By name; undefined where the source has no such table any more. */
  readonly source: ReadonlyMap<string, TableColumn> | undefined;
  /** By name, for each shard; undefined where it has no such table. */
  readonly shards: readonly (ReadonlyMap<string, TableColumn> | undefined)[];
  /** The source's columns that the shards have followed so far: types by name. Undefined for a table that is new to them. */
  readonly known: ReadonlyMap<string, string> | undefined;
}

/** What the shards lack to go on at this point of the stream. */
export interface SchemaChange {
  /** Shards have no such table. */
  readonly tableMissing: boolean;
  /** Columns that the source has added and a shard lacks. */
  readonly added: readonly string[];
  /** Columns that the source has dropped and a shard still has. */
  readonly dropped: readonly string[];
  /** Columns whose type the source has changed; `from` as a shard has them. */
  readonly retyped: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  /** Streamed columns that neither the source nor some shard has any more: their values are left out. */
  readonly forgotten: ReadonlySet<string>;
  /** Streamed columns that come in a type of before, while the shards have the source's new one already. */
  readonly former: ReadonlySet<string>;
}

/**
 * Compares. The stream may be behind what the source is by now, and the shards may have been changed for what is still to
 * come: a column that the source does not have any more is missed on no shard, and a type that is the source's new one is
 * right for values of the old one too. Columns that only the shards have are their own business, unless the source had
 * them before.
 */
export function schemaChange({ relation, source, shards, known }: StreamedTable): SchemaChange {
  const added: string[] = [];
  const retyped: { name: string; from: string; to: string }[] = [];
  const forgotten = new Set<string>();
  const former = new Set<string>();
  const there = shards.filter((columns) => columns !== undefined);
  for (const column of relation.columns) {
    const now = source?.get(column.name);
    if (there.some((columns) => !columns.has(column.name))) {
      if (now === undefined) forgotten.add(column.name);
      else added.push(column.name);
      continue;
    }
    for (const columns of there) {
      const onShard = columns.get(column.name)!;
      const same = column.typeOid === onShard.typeOid || isUserType(column.typeOid, onShard.typeOid) || isWidening(column.typeOid, onShard.typeOid) || isNarrowedFromTheStart(column, onShard, known);
      // The type alone may be the same and its modifier another: values would be cut or rounded.
      const modified = now !== undefined && known !== undefined && column.typeOid === now.typeOid && known.get(column.name) !== now.type && onShard.type !== now.type && !isWidening(now.typeOid, onShard.typeOid);
      if (same && !modified) continue;
      if (now !== undefined && now.type === onShard.type) former.add(column.name);
      else {
        retyped.push({ name: column.name, from: onShard.type, to: now?.type ?? `the type with OID ${column.typeOid}` });
        break;
      }
    }
  }
  const streamed = new Set(relation.columns.map(({ name }) => name));
  const dropped = source === undefined || known === undefined ? [] : [...known.keys()].filter((name) => !streamed.has(name) && !source.has(name) && there.some((columns) => columns.has(name)));
  return { tableMissing: there.length < shards.length, added, dropped, retyped, forgotten, former };
}

/** True where nothing is to be done on a shard. */
export function fits({ tableMissing, added, dropped, retyped }: SchemaChange): boolean {
  return !tableMissing && added.length === 0 && dropped.length === 0 && retyped.length === 0;
}

/**
 * A bigint that was one when the migration began: the shards' own keys on their way back into a smaller column. One that
 * the source has made bigint since is to become so on the shards.
 */
function isNarrowedFromTheStart(column: { readonly name: string; readonly typeOid: number }, onShard: TableColumn, known: ReadonlyMap<string, string> | undefined): boolean {
  return narrowedBytes(column.typeOid, onShard.typeOid) !== undefined && known?.get(column.name) === "bigint";
}

/** Objects of users have OIDs from here on (FirstNormalObjectId, access/transam.h). */
const FIRST_NORMAL_OID = 16384;

/** OIDs of user-defined types are each server's own. */
function isUserType(a: number, b: number): boolean {
  return a >= FIRST_NORMAL_OID && b >= FIRST_NORMAL_OID;
}
