import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KeyType, Mapping } from "../../src/config/types.js";
import { type KeyRule, keyRouter } from "../../src/sharding/key-router.js";
import { NULL_KEY, UNCOVERED_KEY } from "../../src/sharding/table-route.js";
import { arbitraryValue } from "../../src/testing/arbitrary-values.js";
import { bytesOf } from "../../src/testing/test-rows.js";
import { type TestColumn, typeOf } from "../../src/testing/test-table.js";
import { framed, integerKey, textKey, uuidKey } from "./key-bytes.js";

function shardOf(rule: KeyRule, key: Buffer | null, shards: number): number {
  const { bytes, offset } = framed(key ?? Buffer.alloc(0));
  return keyRouter(rule, shards)(bytes, offset, key?.length ?? -1);
}

function mapped(dataType: KeyType, ...mapping: Mapping[]): KeyRule {
  return { dataType, hasher: "postgres", mapping };
}

/** A column of a type that such keys have. */
const COLUMNS: Readonly<Record<KeyType, TestColumn>> = { bigint: { name: "key", type: "int8" }, uuid: { name: "key", type: "uuid" }, varchar: { name: "key", type: "varchar" } };

function keyOf(dataType: KeyType, value: bigint | string): Buffer {
  return bytesOf(COLUMNS[dataType], String(value), "binary");
}

/** A value as a mapping has it. */
function arbitraryKey(dataType: KeyType): fc.Arbitrary<bigint | string> {
  return arbitraryValue(typeOf(COLUMNS[dataType])) as fc.Arbitrary<bigint | string>;
}

function errorCode(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "no error";
}

const DATA_TYPES = ["bigint", "uuid", "varchar"] as const;

describe("sha1", () => {
  const sha1 = (dataType: KeyType): KeyRule => ({ dataType, hasher: "sha1", mapping: [] });

  test.each([
    // sha1("1") = 356a192b7913b04c54574d18c28d46e6395428ab
    [sha1("bigint"), integerKey(1n, 8), 0x395428ab],
    [sha1("bigint"), integerKey(1n, 2), 0x395428ab],
    [sha1("varchar"), textKey("1"), 0x395428ab],
    // sha1("") = da39a3ee5e6b4b0d3255bfef95601890afd80709
    [sha1("varchar"), textKey(""), 0xafd80709],
    // sha1("abc") = a9993e364706816aba3e25717850c26c9cd0d89d
    [sha1("varchar"), textKey("abc"), 0x9cd0d89d],
  ])("known digests (%#)", (rule, key, number) => {
    for (const shards of [1, 2, 3, 7, 64, 1000]) expect(shardOf(rule, key, shards)).toBe(number % shards);
  });

  test("integers by their decimal text, uuids by their 16 bytes", () => {
    const expected = (data: string | Buffer, shards: number): number => Number(BigInt(`0x${createHash("sha1").update(data).digest("hex").slice(-8)}`) % BigInt(shards));
    fc.assert(
      fc.property(arbitraryValue("int8"), arbitraryValue("int4"), arbitraryValue("uuid"), fc.integer({ min: 1, max: 64 }), (int8, int4, uuid, shards) => {
        expect(shardOf(sha1("bigint"), integerKey(int8 as bigint, 8), shards)).toBe(expected(String(int8), shards));
        expect(shardOf(sha1("bigint"), integerKey(BigInt(int4 as number), 4), shards)).toBe(expected(String(int4), shards));
        expect(shardOf(sha1("uuid"), uuidKey(uuid as string), shards)).toBe(expected(uuidKey(uuid as string), shards));
      }),
    );
  });
});

describe("mappings", () => {
  test("list before range before default, whatever the order they are written in", () => {
    const rule = mapped("bigint", { kind: "default", shard: 2 }, { kind: "range", start: 0n, end: 100n, shard: 1 }, { kind: "list", values: [5n, -7n], shard: 0 });
    expect([5n, -7n, 0n, 99n, 100n, -1n].map((value) => shardOf(rule, integerKey(value, 4), 3))).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test("start is inclusive, end exclusive, absent is unbounded", () => {
    const rule = mapped("bigint", { kind: "range", end: -5n, shard: 0 }, { kind: "range", start: -5n, end: 5n, shard: 1 }, { kind: "range", start: 5n, shard: 2 });
    const keys = [-(2n ** 63n), -6n, -5n, 4n, 5n, 2n ** 63n - 1n];
    expect(keys.map((value) => shardOf(rule, integerKey(value, 8), 3))).toEqual([0, 0, 1, 1, 2, 2]);
    const wide = mapped("bigint", { kind: "range", start: -(2n ** 70n), end: 2n ** 63n, shard: 1 });
    expect(keys.map((value) => shardOf(wide, integerKey(value, 8), 3))).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("the first of two overlapping ranges, the last of two equal list values", () => {
    const rule = mapped("bigint", { kind: "range", start: 0n, end: 10n, shard: 0 }, { kind: "range", start: 5n, end: 20n, shard: 1 }, { kind: "list", values: [7n], shard: 1 }, { kind: "list", values: [7n], shard: 2 });
    expect([5n, 10n, 7n].map((value) => shardOf(rule, integerKey(value, 2), 3))).toEqual([0, 1, 2]);
  });

  test("text ranges go by UTF-8 bytes, not by UTF-16 units or a locale", () => {
    const rule = mapped("varchar", { kind: "range", start: "\uffff", end: "\u{10000}", shard: 0 }, { kind: "range", start: "B", end: "a", shard: 1 });
    expect(["\uffff", "\uffff!", "\u{10000}", "B", "Zebra", "a", "b"].map((value) => shardOf(rule, textKey(value), 2))).toEqual([0, 0, UNCOVERED_KEY, 1, 1, UNCOVERED_KEY, UNCOVERED_KEY]);
  });

  test("uuids are equal however they are written", () => {
    const rule = mapped("uuid", { kind: "list", values: ["{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"], shard: 1 }, { kind: "range", start: "a0eebc999c0b4ef8bb6d6bb9bd380a12", shard: 0 });
    expect(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a10"].map((value) => shardOf(rule, uuidKey(value), 2))).toEqual([1, 0, UNCOVERED_KEY]);
  });

  test.each(DATA_TYPES)("%s agrees with the rule read slowly", (dataType) => {
    const shard = fc.integer({ min: 0, max: 7 });
    const value = arbitraryKey(dataType);
    const entry: fc.Arbitrary<Mapping> = fc.oneof(
      fc.record({ kind: fc.constant("list" as const), values: fc.array(value, { maxLength: 4 }), shard }),
      fc.record({ kind: fc.constant("range" as const), start: value, end: value, shard }, { requiredKeys: ["kind", "shard"] }),
      fc.record({ kind: fc.constant("default" as const), shard }),
    );
    const compare = (a: bigint | string, b: bigint | string): number => {
      if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : a > b ? 1 : 0;
      return Buffer.compare(keyOf(dataType, a), keyOf(dataType, b));
    };
    const slowly = (mapping: readonly Mapping[], key: bigint | string | null): number => {
      if (key === null) return mapping.find(({ kind }) => kind === "default")?.shard ?? NULL_KEY;
      for (const entry of [...mapping].reverse()) if (entry.kind === "list" && entry.values.some((value) => compare(value, key) === 0)) return entry.shard;
      for (const entry of mapping) {
        if (entry.kind === "range" && (entry.start === undefined || compare(entry.start, key) <= 0) && (entry.end === undefined || compare(key, entry.end) < 0)) return entry.shard;
      }
      for (const entry of mapping) if (entry.kind === "default") return entry.shard;
      return UNCOVERED_KEY;
    };
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 6 }), fc.array(value, { minLength: 1, maxLength: 10 }), (mapping, keys) => {
        // The rule's own values are the interesting keys.
        const bounds = mapping.flatMap((entry) => (entry.kind === "list" ? entry.values : entry.kind === "range" ? [entry.start, entry.end].filter((bound) => bound !== undefined) : []));
        for (const key of [null, ...keys, ...bounds]) expect(shardOf(mapped(dataType, ...mapping), key === null ? null : keyOf(dataType, key), 8)).toBe(slowly(mapping, key));
      }),
      { numRuns: 500 },
    );
  });
});

test.each(DATA_TYPES)("without a mapping only NULL has no shard: %s", (dataType) => {
  for (const hasher of ["postgres", "sha1"] as const) expect(shardOf({ dataType, hasher, mapping: [] }, null, 4)).toBe(NULL_KEY);
});

describe("a rule", () => {
  test("refuses rules it cannot follow", () => {
    const hashed: KeyRule = { dataType: "bigint", hasher: "postgres", mapping: [] };
    for (const shards of [0, -1, 1.5, 65537, NaN]) expect(errorCode(() => keyRouter(hashed, shards))).toBe("SHARDING_SHARD_COUNT");
    expect(errorCode(() => keyRouter(mapped("bigint", { kind: "default", shard: 2 }), 2))).toBe("SHARDING_SHARD_UNKNOWN");
    expect(errorCode(() => keyRouter(mapped("bigint", { kind: "list", values: ["1"], shard: 0 }), 2))).toBe("SHARDING_MAPPING_VALUE");
    expect(errorCode(() => keyRouter(mapped("varchar", { kind: "range", start: 1n, shard: 0 }), 2))).toBe("SHARDING_MAPPING_VALUE");
    expect(errorCode(() => keyRouter(mapped("uuid", { kind: "list", values: ["not-a-uuid"], shard: 0 }), 2))).toBe("SHARDING_MAPPING_VALUE");
  });

  test("a key of an impossible length is a defect, not a wrong shard", () => {
    for (const hasher of ["postgres", "sha1"] as const) {
      for (const mapping of [[], [{ kind: "default", shard: 0 }, { kind: "list", values: [], shard: 0 }, { kind: "range", shard: 0 }]] as Mapping[][]) {
        expect(errorCode(() => shardOf({ dataType: "uuid", hasher, mapping }, Buffer.alloc(15), 2))).toBe("DEFECT");
        expect(errorCode(() => shardOf({ dataType: "bigint", hasher, mapping }, Buffer.alloc(3), 2))).toBe("DEFECT");
      }
    }
  });
});
