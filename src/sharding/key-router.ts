import type { KeyType, ShardedTable } from "../config/types.js";
import { defect, ReshardError } from "../errors.js";
import { MAX_SHARDS, shardOfBigint, shardOfBytes } from "./hash.js";
import { integerHigh, integerLow } from "./integer-key.js";
import { defaultShard, mappingRouter } from "./mapping.js";
import { sha1Shard } from "./sha1-hasher.js";
import { NULL_KEY, type ShardOfKey } from "./table-route.js";

/** What decides the shard of a key; the part of a `[[sharded_tables]]` entry that does not say where the key stands. */
export type KeyRule = Pick<ShardedTable, "dataType" | "hasher" | "mapping">;

/**
 * The routing function of one rule: its mapping where it has one, else its hasher. A NULL key goes to the mapping's
 * default shard, and is `NULL_KEY` where there is none; a value that no list and no range holds likewise, as
 * `UNCOVERED_KEY`. Without a mapping every key that is not NULL has a shard.
 *
 * With the postgres hasher it allocates nothing.
 * @param shards how many, 1 to `MAX_SHARDS`
 * @throws ReshardError SHARDING_SHARD_UNKNOWN where the mapping names a shard that does not exist,
 * SHARDING_MAPPING_VALUE where one of its values does not fit the rule's data type
 */
export function keyRouter(rule: KeyRule, shards: number): ShardOfKey {
  if (!Number.isInteger(shards) || shards < 1 || shards > MAX_SHARDS) {
    throw new ReshardError("SHARDING_SHARD_COUNT", `${shards} shards cannot be routed to.`, { remedy: `Configure 1 to ${MAX_SHARDS} shards.` });
  }
  for (const entry of rule.mapping) checkShard(entry.shard, shards, "A mapping");
  if (rule.mapping.length > 0) {
    const ofNull = defaultShard(rule.mapping) ?? NULL_KEY;
    const mapped = mappingRouter(rule.mapping, rule.dataType);
    return (bytes, offset, length) => (length < 0 ? ofNull : mapped(bytes, offset, checkedLength(rule.dataType, length)));
  }
  return rule.hasher === "sha1" ? sha1Router(rule.dataType, shards) : postgresRouter(rule.dataType, shards);
}

/** Fails where a rule sends rows to a shard that the destination does not have. */
export function checkShard(shard: number, shards: number, what: string): void {
  if (Number.isInteger(shard) && shard >= 0 && shard < shards) return;
  throw new ReshardError("SHARDING_SHARD_UNKNOWN", `${what} names shard ${shard}, but there are ${shards} shards, numbered from 0.`, {
    remedy: "Correct the shard's number, or add the shard to [[databases]].",
  });
}

function postgresRouter(dataType: KeyType, shards: number): ShardOfKey {
  switch (dataType) {
    case "bigint":
      return (bytes, offset, length) =>
        length < 0 ? NULL_KEY : shardOfBigint(integerHigh(bytes, offset, length), integerLow(bytes, offset, length), shards);
    case "uuid":
    case "varchar":
      return (bytes, offset, length) => (length < 0 ? NULL_KEY : shardOfBytes(bytes, offset, checkedLength(dataType, length), shards));
  }
}

function sha1Router(dataType: KeyType, shards: number): ShardOfKey {
  switch (dataType) {
    case "bigint":
      return (bytes, offset, length) => (length < 0 ? NULL_KEY : sha1Shard(decimalText(bytes, offset, length), shards));
    case "uuid":
    case "varchar":
      return (bytes, offset, length) =>
        length < 0 ? NULL_KEY : sha1Shard(bytes.subarray(offset, offset + checkedLength(dataType, length)), shards);
  }
}

function decimalText(bytes: Buffer, offset: number, length: number): string {
  return length === 8 ? bytes.readBigInt64BE(offset).toString() : integerLow(bytes, offset, length).toString();
}

function checkedLength(dataType: KeyType, length: number): number {
  if (dataType === "uuid" && length !== 16) throw defect(`A uuid sharding key has ${length} bytes; 16 were expected.`);
  return length;
}
