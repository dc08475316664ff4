/**
 * PostgreSQL's hash partitioning function, so that a row lands on the shard that
 * `satisfies_hash_partition(parent, shards, shard, key)` names for one non-null key column.
 *
 * The 64-bit arithmetic runs on two 32-bit halves: bigint arithmetic would allocate for every row.
 * The words are read little-endian, as servers on x86-64 and arm64 read them.
 */

/** HASH_PARTITION_SEED (catalog/partition.h), in halves. */
const SEED_HIGH = 0x7a5b2236;
const SEED_LOW = 0x7996dcfd | 0;

/** What `hash_combine64(0, h)` (common/hashfn.h) adds to `h`, in halves. */
const COMBINE_HIGH = 0x49a0f4dd;
const COMBINE_LOW = 0x15e5a8e3;

/** Starting state of `hash_bytes_extended` (common/hashfn.c), to which the key's length is added. */
const INITIAL = (0x9e3779b9 + 3923095) | 0;

/** Above it, `remainder` would no longer be exact. */
export const MAX_SHARDS = 65536;

/** The state after the seed is mixed in, for a key of four bytes: the start of `hash_bytes_uint32_extended`. */
const SEEDED = seededState(4);
const SEEDED_A = SEEDED.a;
const SEEDED_B = SEEDED.b;
const SEEDED_C = SEEDED.c;

/**
 * The shard of a bigint key, and of int and smallint keys, which PostgreSQL widens first.
 *
 * `hashint8extended` (access/hash/hashfunc.c), then `hash_combine64(0, …)`, then the remainder.
 * @param high upper half, sign in its highest bit
 * @param low lower half; only its 32 bits count
 * @param shards 1 to `MAX_SHARDS`
 */
export function shardOfBigint(high: number, low: number, shards: number): number {
  const key = high >= 0 ? low ^ high : low ^ ~high;
  let a = (SEEDED_A + key) | 0;
  let b = SEEDED_B;
  let c = SEEDED_C;
  c ^= b; c = (c - rotate(b, 14)) | 0;
  a ^= c; a = (a - rotate(c, 11)) | 0;
  b ^= a; b = (b - rotate(a, 25)) | 0;
  c ^= b; c = (c - rotate(b, 16)) | 0;
  a ^= c; a = (a - rotate(c, 4)) | 0;
  b ^= a; b = (b - rotate(a, 14)) | 0;
  c ^= b; c = (c - rotate(b, 24)) | 0;
  return remainder(b, c, shards);
}

/**
 * The shard of a key that PostgreSQL hashes by its bytes: the 16 bytes of a uuid, the UTF-8 bytes of text or varchar
 * under a deterministic collation.
 *
 * `hash_bytes_extended` (common/hashfn.c), then `hash_combine64(0, …)`, then the remainder.
 * @param shards 1 to `MAX_SHARDS`
 */
export function shardOfBytes(bytes: Uint8Array, offset: number, length: number, shards: number): number {
  let a = (INITIAL + length) | 0;
  let b = a;
  let c = a;
  let position = offset;
  let remaining = length;
  // The seed goes in as if it were the key's first twelve bytes.
  let first = SEED_HIGH;
  let second = SEED_LOW;
  let third = 0;
  for (;;) {
    a = (a + first) | 0;
    b = (b + second) | 0;
    c = (c + third) | 0;
    a = (a - c) | 0; a ^= rotate(c, 4); c = (c + b) | 0;
    b = (b - a) | 0; b ^= rotate(a, 6); a = (a + c) | 0;
    c = (c - b) | 0; c ^= rotate(b, 8); b = (b + a) | 0;
    a = (a - c) | 0; a ^= rotate(c, 16); c = (c + b) | 0;
    b = (b - a) | 0; b ^= rotate(a, 19); a = (a + c) | 0;
    c = (c - b) | 0; c ^= rotate(b, 4); b = (b + a) | 0;
    if (remaining < 12) break;
    first = word(bytes, position);
    second = word(bytes, position + 4);
    third = word(bytes, position + 8);
    position += 12;
    remaining -= 12;
  }
  if (remaining >= 8) {
    a = (a + word(bytes, position)) | 0;
    b = (b + word(bytes, position + 4)) | 0;
    // The lowest byte of c stays free: it stands for the length.
    c = (c + (partialWord(bytes, position + 8, remaining - 8) << 8)) | 0;
  } else if (remaining >= 4) {
    a = (a + word(bytes, position)) | 0;
    b = (b + partialWord(bytes, position + 4, remaining - 4)) | 0;
  } else {
    a = (a + partialWord(bytes, position, remaining)) | 0;
  }
  c ^= b; c = (c - rotate(b, 14)) | 0;
  a ^= c; a = (a - rotate(c, 11)) | 0;
  b ^= a; b = (b - rotate(a, 25)) | 0;
  c ^= b; c = (c - rotate(b, 16)) | 0;
  a ^= c; a = (a - rotate(c, 4)) | 0;
  b ^= a; b = (b - rotate(a, 14)) | 0;
  c ^= b; c = (c - rotate(b, 24)) | 0;
  return remainder(b, c, shards);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function word(bytes: Uint8Array, position: number): number {
  return bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24);
}

/** The next zero to three bytes as a little-endian number. */
function partialWord(bytes: Uint8Array, position: number, length: number): number {
  if (length === 0) return 0;
  let value = bytes[position]!;
  if (length > 1) value |= bytes[position + 1]! << 8;
  if (length > 2) value |= bytes[position + 2]! << 16;
  return value;
}

/** The seed's round of `mix` (common/hashfn.c), for keys of one length. */
function seededState(length: number): { readonly a: number; readonly b: number; readonly c: number } {
  let c = (INITIAL + length) | 0;
  let a = (c + SEED_HIGH) | 0;
  let b = (c + SEED_LOW) | 0;
  a = (a - c) | 0; a ^= rotate(c, 4); c = (c + b) | 0;
  b = (b - a) | 0; b ^= rotate(a, 6); a = (a + c) | 0;
  c = (c - b) | 0; c ^= rotate(b, 8); b = (b + a) | 0;
  a = (a - c) | 0; a ^= rotate(c, 16); c = (c + b) | 0;
  b = (b - a) | 0; b ^= rotate(a, 19); a = (a + c) | 0;
  c = (c - b) | 0; c ^= rotate(b, 4); b = (b + a) | 0;
  return { a, b, c };
}

/** `hash_combine64(0, hash) % shards` of the unsigned 64-bit hash. */
function remainder(hashHigh: number, hashLow: number, shards: number): number {
  const low = (hashLow + COMBINE_LOW) >>> 0;
  if ((shards & (shards - 1)) === 0) return low & (shards - 1);
  const carry = low < COMBINE_LOW ? 1 : 0;
  const high = (hashHigh + COMBINE_HIGH + carry) >>> 0;
  // Long division in base 65536: each step's dividend fits 32 bits, so it is an integer instruction and exact.
  const upper = high % shards;
  const middle = (((upper << 16) | (low >>> 16)) >>> 0) % shards;
  return (((middle << 16) | (low & 0xffff)) >>> 0) % shards;
}
