/**
 * The partition hash once more, slowly: 64-bit arithmetic on bigint, the words cut out of a padded copy of the key.
 * It shares nothing with src/sharding/hash.ts.
 */
const MASK_32 = 0xffffffffn;
const MASK_64 = 0xffffffffffffffffn;
const SEED = 0x7a5b22367996dcfdn;

type State = [a: bigint, b: bigint, c: bigint];

function rotate(x: bigint, k: bigint): bigint {
  return ((x << k) | (x >> (32n - k))) & MASK_32;
}

function mix([a, b, c]: State): State {
  for (const [first, second, third] of [[4n, 6n, 8n], [16n, 19n, 4n]] as const) {
    a = ((a - c) & MASK_32) ^ rotate(c, first); c = (c + b) & MASK_32;
    b = ((b - a) & MASK_32) ^ rotate(a, second); a = (a + c) & MASK_32;
    c = ((c - b) & MASK_32) ^ rotate(b, third); b = (b + a) & MASK_32;
  }
  return [a, b, c];
}

function final([a, b, c]: State): bigint {
  c = ((c ^ b) - rotate(b, 14n)) & MASK_32;
  a = ((a ^ c) - rotate(c, 11n)) & MASK_32;
  b = ((b ^ a) - rotate(a, 25n)) & MASK_32;
  c = ((c ^ b) - rotate(b, 16n)) & MASK_32;
  a = ((a ^ c) - rotate(c, 4n)) & MASK_32;
  b = ((b ^ a) - rotate(a, 14n)) & MASK_32;
  c = ((c ^ b) - rotate(b, 24n)) & MASK_32;
  return (b << 32n) | c;
}

function seeded(length: number): State {
  const start = (0x9e3779b9n + BigInt(length) + 3923095n) & MASK_32;
  return mix([(start + (SEED >> 32n)) & MASK_32, (start + (SEED & MASK_32)) & MASK_32, start]);
}

function add([a, b, c]: State, words: readonly [bigint, bigint, bigint]): State {
  return [(a + words[0]) & MASK_32, (b + words[1]) & MASK_32, (c + words[2]) & MASK_32];
}

function hashOfBytes(key: Buffer): bigint {
  let state = seeded(key.length);
  let position = 0;
  const word = (from: Buffer, at: number): bigint => BigInt(from.readUInt32LE(at));
  for (; key.length - position >= 12; position += 12) {
    state = mix(add(state, [word(key, position), word(key, position + 4), word(key, position + 8)]));
  }
  const rest = Buffer.alloc(12);
  key.copy(rest, 0, position);
  return final(add(state, [word(rest, 0), word(rest, 4), (word(rest, 8) << 8n) & MASK_32]));
}

function hashOfInteger(value: bigint): bigint {
  const unsigned = BigInt.asUintN(64, value);
  const low = unsigned & MASK_32;
  const high = unsigned >> 32n;
  return final(add(seeded(4), [value >= 0n ? low ^ high : low ^ (~high & MASK_32), 0n, 0n]));
}

function combinedRemainder(hash: bigint, shards: number): number {
  return Number(((hash + 0x49a0f4dd15e5a8e3n) & MASK_64) % BigInt(shards));
}

export function oracleShardOfInteger(value: bigint, shards: number): number {
  return combinedRemainder(hashOfInteger(value), shards);
}

export function oracleShardOfBytes(key: Buffer, shards: number): number {
  return combinedRemainder(hashOfBytes(key), shards);
}
