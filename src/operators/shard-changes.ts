import { defer, map } from "rxjs";
import { Action, type ChangeBatch, DELETE, INSERT, NO_TUPLE, type ShardChanges, type ShardedChangeBatch, TRUNCATE } from "../change-batch.js";
import { ReshardError } from "../errors.js";
import type { Operator } from "../flow.js";
import { displayName } from "../postgres/identifiers.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { COLUMN_NULL, COLUMN_TEXT, COLUMN_UNCHANGED } from "../postgres/pgoutput-tuple.js";
import { valueBytes } from "../postgres/tuple-values.js";
import { EVERY_SHARD, NO_SHARD, type NULL_KEY, type ShardOfKey, type TableRoute, UNKNOWN_SHARD } from "../sharding/table-route.js";
import { textKeyRouter } from "../sharding/text-key.js";
import { unroutableKey } from "../sharding/unroutable-key.js";

/**
 * Notes for each change the shard of the row before and after. Where the sharding key is not part of the replica
 * identity, an UPDATE or DELETE does not say where the row was: its old shard is then every shard.
 *
 * ```
 * in   [I 7][U 7→8][D id 3]
 * out  new 0, -     new 1, old 0    old: every shard
 * ```
 *
 * @param routeOf undefined: the table is not taken from this source shard, and its changes concern no shard
 * @example
 * changeStream(options)(receipts$).pipe(shardChanges((relation) => routes.of(relation)))
 */
export function shardChanges(routeOf: (relation: PgoutputRelation) => TableRoute | undefined): Operator<ChangeBatch, ShardedChangeBatch> {
  return (batches$) =>
    defer(() => {
      const keys = new Map<PgoutputRelation, KeyColumn>();
      const keyOf = (relation: PgoutputRelation): KeyColumn => {
        let key = keys.get(relation);
        if (key === undefined) {
          key = keyColumn(relation, routeOf(relation));
          keys.set(relation, key);
        }
        return key;
      };
      return batches$.pipe(map((batch) => shard(batch, keyOf)));
    });
}

interface KeyColumn {
  readonly relation: PgoutputRelation;
  readonly route: TableRoute | undefined;
  /** Place of the sharding key among the relation's columns; -1 where there is none. */
  readonly index: number;
  /** For keys that come as text; undefined where the route asks for no key. */
  readonly shardOfText: ShardOfKey | undefined;
  /** The old key of an UPDATE or DELETE tells it. */
  readonly inIdentity: boolean;
}

function keyColumn(relation: PgoutputRelation, route: TableRoute | undefined): KeyColumn {
  const index = route?.kind === "key" ? relation.columns.findIndex((column) => column.name === route.column) : -1;
  const shardOfText = route?.kind === "key" ? textKeyRouter(route.shardOf, route.dataType) : undefined;
  return { relation, route, index, shardOfText, inIdentity: relation.columns[index]?.partOfKey ?? false };
}

function shard(batch: ChangeBatch, keyOf: (relation: PgoutputRelation) => KeyColumn): ShardedChangeBatch {
  const newShards = new Int16Array(batch.count);
  const oldShards = new Int16Array(batch.count);
  const keys = batch.relations.map(keyOf);
  for (let change = 0; change < batch.count; change++) {
    const kind = batch.kinds[change]!;
    const key = keys[batch.relationOf[change]!]!;
    if (key.route === undefined) {
      newShards[change] = NO_SHARD;
      oldShards[change] = NO_SHARD;
      continue;
    }
    if (kind === TRUNCATE || key.route.kind === "omnisharded") {
      newShards[change] = EVERY_SHARD;
      oldShards[change] = EVERY_SHARD;
      continue;
    }
    if (kind !== DELETE) newShards[change] = shardOfTuple(batch.buffer, batch.newTuples[change]!, key);
    if (kind === INSERT) {
      if (newShards[change] === UNKNOWN_SHARD) throw keyNotSent(key.relation, key.route);
      continue;
    }
    const oldTuple = batch.oldTuples[change]!;
    if (key.route.kind === "fixed") oldShards[change] = key.route.shard;
    else if (oldTuple !== NO_TUPLE && key.inIdentity) {
      oldShards[change] = shardOfTuple(batch.buffer, oldTuple, key);
      // A sharding key stored outside the row and not touched comes with the old tuple only.
      if (newShards[change] === UNKNOWN_SHARD) newShards[change] = oldShards[change]!;
    }
    // Without an old tuple no column of the identity changed, so neither did a sharding key in it.
    else if (kind !== DELETE && key.inIdentity) oldShards[change] = newShards[change]!;
    else oldShards[change] = EVERY_SHARD;
  }
  return { ...batch, newShards, oldShards };
}

function shardOfTuple(buffer: Buffer, tuple: number, key: KeyColumn): number {
  if (key.route?.kind !== "key") return key.route?.kind === "fixed" ? key.route.shard : EVERY_SHARD;
  let at = tuple + 2;
  for (let column = 0; column < key.index; column++) at += valueBytes(buffer, at);
  const kind = buffer[at]!;
  // A key so long that it is stored outside the row and was not touched: the row stays wherever it is.
  if (kind === COLUMN_UNCHANGED) return UNKNOWN_SHARD;
  const shardOf = kind === COLUMN_TEXT ? key.shardOfText! : key.route.shardOf;
  const shard = shardOf(buffer, at + 5, kind === COLUMN_NULL ? -1 : buffer.readInt32BE(at + 1));
  if (shard < 0) throw unroutableKey(shard as typeof NULL_KEY, key.relation, key.route.column);
  return shard;
}

/** A row that enters a publication's row filter comes as inserted, but without what is stored outside it and did not change. */
function keyNotSent(relation: PgoutputRelation, route: TableRoute): ReshardError {
  const table = displayName(relation);
  const column = route.kind === "key" ? route.column : "";
  return new ReshardError("SHARDING_KEY_NOT_SENT", `A row of ${table} entered the publication's row filter by an update, and the source does not send its sharding key "${column}", which is stored outside the row.`, {
    place: { table },
    remedy: `Make "${column}" part of the table's replica identity (REPLICA IDENTITY FULL), or publish ${table} without a row filter; then run \`pg-reshard finish --drop-progress\`, empty the destination and start anew.`,
  });
}

/**
 * What one shard has to do for a batch, for `toShards`. A row whose former shard is not known is deleted on all shards
 * but its new one: each shard goes through the changes in order on its own, so a delete that hits nothing is harmless,
 * and one sent later on suspicion would not be.
 */
export function changesOfShard(batch: ShardedChangeBatch, shard: number): ShardChanges {
  const changes = new Uint32Array(batch.count);
  const actions = new Uint8Array(batch.count);
  let count = 0;
  for (let change = 0; change < batch.count; change++) {
    const action = actionOn(batch.kinds[change]!, batch.oldShards[change]!, batch.newShards[change]!, shard);
    if (action === undefined) continue;
    changes[count] = change;
    actions[count] = action;
    count++;
  }
  return { sequence: batch.sequence, bytes: batch.bytes, ...(batch.resume === undefined ? {} : { resume: batch.resume }), batch, count, changes, actions };
}

function actionOn(kind: number, oldShard: number, newShard: number, shard: number): Action | undefined {
  if (newShard === NO_SHARD) return undefined;
  if (kind === TRUNCATE) return Action.Truncate;
  if (kind === INSERT) return newShard === shard || newShard === EVERY_SHARD ? Action.Upsert : undefined;
  if (kind === DELETE) return oldShard === shard || oldShard === EVERY_SHARD ? Action.Delete : undefined;
  if (newShard === EVERY_SHARD) return Action.Update;
  if (newShard === UNKNOWN_SHARD) return Action.UpdateAnywhere;
  if (newShard === shard) return oldShard === shard ? Action.Update : Action.Arrive;
  return oldShard === shard || oldShard === EVERY_SHARD ? Action.Delete : undefined;
}
