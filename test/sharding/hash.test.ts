import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KeyType } from "../../src/config/types.js";
import { MAX_SHARDS, shardOfBigint, shardOfBytes } from "../../src/sharding/hash.js";
import { keyRouter } from "../../src/sharding/key-router.js";
import { startTestCluster } from "../support/cluster.js";
import { framed, integerKey, textKey, uuidKey } from "./key-bytes.js";
import { oracleShardOfBytes, oracleShardOfInteger } from "./partition-hash-oracle.js";

const cluster = await startTestCluster();

function shardOf(dataType: KeyType, key: Buffer, shards: number): number {
  const { bytes, offset, length } = framed(key);
  return keyRouter({ dataType, hasher: "postgres", mapping: [] }, shards)(bytes, offset, length);
}

// PostgreSQL's text holds every character but U+0000.
const text = fc.string({ unit: "binary", maxLength: 60 }).filter((value) => !value.includes("\0"));

interface KeyCase {
  readonly type: string;
  readonly dataType: KeyType;
  readonly values: fc.Arbitrary<string>;
  readonly key: (value: string) => Buffer;
}

const CASES: readonly KeyCase[] = [
  integers("smallint", 2, fc.bigInt({ min: -(2n ** 15n), max: 2n ** 15n - 1n })),
  integers("int", 4, fc.bigInt({ min: -(2n ** 31n), max: 2n ** 31n - 1n })),
  integers("bigint", 8, fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -1000n, max: 1000n }))),
  { type: "uuid", dataType: "uuid", values: fc.uuid(), key: uuidKey },
  { type: "text", dataType: "varchar", values: text, key: textKey },
  { type: "varchar", dataType: "varchar", values: text, key: textKey },
];

function integers(type: string, length: 2 | 4 | 8, values: fc.Arbitrary<bigint>): KeyCase {
  return { type, dataType: "bigint", values: values.map(String), key: (value) => integerKey(BigInt(value), length) };
}

describe("agrees with satisfies_hash_partition of a live server", () => {
  test.each(CASES)("$type", async ({ type, dataType, values, key }) => {
    const client = await cluster.connect();
    try {
      await client.query(`CREATE TABLE by_${type} (k ${type}) PARTITION BY HASH (k)`);
      await fc.assert(
        fc.asyncProperty(fc.array(fc.record({ value: values, shards: fc.integer({ min: 1, max: 64 }) }), { minLength: 200, maxLength: 400 }), async (rows) => {
          const routed = rows.map(({ value, shards }) => shardOf(dataType, key(value), shards));
          const { rows: answers } = await client.query<{ k: string; shards: number; shard: number; agrees: boolean }>(
            `SELECT k::text, shards, shard, satisfies_hash_partition('by_${type}'::regclass, shards, shard, k) AS agrees
               FROM unnest($1::${type}[], $2::int[], $3::int[]) AS t(k, shards, shard)`,
            [rows.map(({ value }) => value), rows.map(({ shards }) => shards), routed],
          );
          expect(answers).toHaveLength(rows.length);
          expect(answers.filter(({ agrees }) => !agrees)).toEqual([]);
        }),
        { numRuns: 25 },
      );
    } finally {
      await client.end();
    }
  });

  test("text under a collation other than C, as long as it is deterministic", async () => {
    const client = await cluster.connect();
    try {
      await client.query(`CREATE TABLE by_locale (k text COLLATE "unicode") PARTITION BY HASH (k)`);
      const { rows } = await client.query<{ k: string; shard: number }>(
        `SELECT k, shard FROM unnest($1::text[]) AS k, generate_series(0, 6) AS shard WHERE satisfies_hash_partition('by_locale'::regclass, 7, shard, k)`,
        [["Straße", "STRASSE", "", "é", "e\u0301"]],
      );
      expect(rows).toHaveLength(5);
      for (const { k, shard } of rows) expect(shardOf("varchar", textKey(k), 7)).toBe(shard);
    } finally {
      await client.end();
    }
  });
});

describe("known vectors", () => {
  test.each([
    [1n, 3, 2], [2n, 3, 0], [3n, 3, 1],
    [1n, 2, 0], [3n, 2, 1],
  ])("bigint %i of %i shards is on shard %i", (value, shards, shard) => {
    for (const length of [2, 4, 8] as const) expect(shardOf("bigint", integerKey(value, length), shards)).toBe(shard);
  });
});

describe("agrees with the same hash on bigint", () => {
  const shards = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: MAX_SHARDS }), fc.constant(MAX_SHARDS));

  test("integers", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), shards, (value, count) => {
        expect(shardOfBigint(Number(value >> 32n), Number(BigInt.asIntN(32, value)), count)).toBe(oracleShardOfInteger(value, count));
      }),
      { numRuns: 5000 },
    );
  });

  test("bytes of every length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), shards, (key, count) => {
        const { bytes, offset, length } = framed(Buffer.from(key));
        expect(shardOfBytes(bytes, offset, length, count)).toBe(oracleShardOfBytes(Buffer.from(key), count));
      }),
      { numRuns: 5000 },
    );
  });
});
