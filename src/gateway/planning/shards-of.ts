import type { KeyType } from "../../config/types.js";
import { elementsOfBinary, elementsOfText } from "./array-elements.js";
import { keyBytesOfText, storedText } from "./key-bytes.js";
import type { KeySet, Where } from "./statement-plan.js";

/** A parameter as a client bound it. */
export interface BoundParameter {
  /** null is NULL. */
  readonly bytes: Buffer | null;
  readonly format: "text" | "binary";
  /** As the client's Parse or the server's ParameterDescription has it; 0 where it is not known. */
  readonly typeOid: number;
}

export type FoundShards =
  /** Sorted, one at least: where no row can be meant, any shard says so. */
  | { readonly kind: "shards"; readonly shards: readonly number[] }
  /** The sets are not all of one shard: only several shards together could answer. */
  | { readonly kind: "apart" }
  /** A key has no shard, or its value cannot be told. */
  | { readonly kind: "unroutable"; readonly reason: string; readonly remedy: string };

/**
 * The shards of a statement whose `where` is by keys.
 * @param parameters the first is `$1`
 */
export function shardsOf(where: Extract<Where, { kind: "keys" }>, parameters: readonly BoundParameter[]): FoundShards {
  const all = new Set<number>();
  for (const set of where.sets) {
    const found = shardsOfSet(set, parameters);
    if (!(found instanceof Set)) return found;
    // Keys that no row has: nothing is asked of any shard.
    for (const shard of found) all.add(shard);
  }
  // Each set is of rows of its own: together they are only on a shard that is that of all of them.
  if (where.sets.length > 1 && all.size > 1) return { kind: "apart" };
  return { kind: "shards", shards: all.size === 0 ? [0] : [...all].sort((a, b) => a - b) };
}

/** The shards of one set of keys; empty where no row has one of them. */
function shardsOfSet(set: KeySet, parameters: readonly BoundParameter[]): Set<number> | Unroutable {
  const found = new Set<number>();
  for (const value of set.values) {
    const keys = value.kind === "constant" ? [value.bytes] : keysOfParameter(set.dataType, parameters[value.number - 1], value.kind, value.number);
    if (!Array.isArray(keys)) return keys;
    for (const bytes of keys) {
      const shard = shardOfKey(set, bytes);
      if (shard >= 0) found.add(shard);
      else if (set.stored) return noShard(bytes === null);
    }
  }
  return found;
}

/** Negative where no row has that key. */
export function shardOfKey(set: Pick<KeySet, "shardOf" | "stored" | "maxLength">, bytes: Buffer | null): number {
  if (bytes === null) return set.stored ? set.shardOf(Buffer.alloc(0), 0, -1) : -1;
  const key = set.stored && set.maxLength !== undefined ? storedText(bytes, set.maxLength) : bytes;
  return set.shardOf(key, 0, key.length);
}

type Unroutable = Extract<FoundShards, { kind: "unroutable" }>;

export function noShard(isNull: boolean): Unroutable {
  return {
    kind: "unroutable",
    reason: isNull ? "The row's sharding key is NULL, and no rule says which shard takes it." : "No list and no range of the sharding rule holds the row's sharding key.",
    remedy: 'Give the row another key, or add a default to the rule\'s mapping ({ shard = n }).',
  };
}

/** Types (OIDs of pg_type.dat) whose values are keys as they are: of parameters, and of arrays of them. 0 and 705 are not known yet. */
const TYPES: Readonly<Record<KeyType, { readonly one: ReadonlySet<number>; readonly many: ReadonlySet<number> }>> = {
  bigint: { one: new Set([0, 705, 20, 21, 23]), many: new Set([0, 705, 1016, 1005, 1007]) },
  uuid: { one: new Set([0, 705, 2950]), many: new Set([0, 705, 2951]) },
  varchar: { one: new Set([0, 705, 25, 1043]), many: new Set([0, 705, 1009, 1015]) },
};

/** What a parameter of that kind says, each in send format. */
function keysOfParameter(dataType: KeyType, parameter: BoundParameter | undefined, kind: "parameter" | "elements", number: number): (Buffer | null)[] | Unroutable {
  if (parameter === undefined) return unreadable(number, `${dataType} key; it was not given`);
  const { bytes, format, typeOid } = parameter;
  if (bytes === null) return [null];
  const { one, many } = TYPES[dataType];
  if (!(kind === "parameter" ? one : many).has(typeOid)) return unreadable(number, `${dataType} key; its type has the OID ${typeOid}`);
  const keys = kind === "parameter" ? [keyOf(dataType, bytes, format)] : elementKeys(dataType, bytes, format);
  if (keys === undefined || keys.includes(undefined)) return unreadable(number, kind === "parameter" ? `${dataType} key` : `array of ${dataType} keys with one dimension`);
  return keys as (Buffer | null)[];
}

function keyOf(dataType: KeyType, bytes: Buffer, format: BoundParameter["format"]): Buffer | undefined {
  if (format === "text") return dataType === "varchar" ? bytes : keyBytesOfText(dataType, bytes.toString("utf8"));
  switch (dataType) {
    case "bigint":
      return bytes.length === 2 || bytes.length === 4 || bytes.length === 8 ? bytes : undefined;
    case "uuid":
      return bytes.length === 16 ? bytes : undefined;
    case "varchar":
      return bytes;
  }
}

function elementKeys(dataType: KeyType, bytes: Buffer, format: BoundParameter["format"]): (Buffer | null | undefined)[] | undefined {
  if (format === "text") return elementsOfText(bytes.toString("utf8"))?.map((element) => (element === null ? null : keyBytesOfText(dataType, element)));
  const array = elementsOfBinary(bytes);
  if (array === undefined || !TYPES[dataType].one.has(array.typeOid)) return undefined;
  return array.elements.map((element) => (element === null ? null : keyOf(dataType, element, "binary")));
}

function unreadable(number: number, what: string): Unroutable {
  return {
    kind: "unroutable",
    reason: `Parameter $${number} decides the shard, and cannot be read as a ${what}.`,
    remedy: "Bind it with the sharding key's own type, as text or binary.",
  };
}
