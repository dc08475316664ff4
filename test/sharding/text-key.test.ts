import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Hasher, KeyType, Mapping } from "../../src/config/types.js";
import { keyRouter } from "../../src/sharding/key-router.js";
import { textKeyRouter } from "../../src/sharding/text-key.js";
import { framed, integerKey, textKey, uuidKey } from "./key-bytes.js";

/** Keeps the binary key that the router is given. */
function keyGiven(dataType: KeyType, text: string): Buffer | null {
  let given: Buffer | null = null;
  const { bytes, offset, length } = framed(Buffer.from(text));
  const router = textKeyRouter((key, at, keyLength) => {
    given = keyLength < 0 ? null : Buffer.from(key.subarray(at, at + keyLength));
    return 0;
  }, dataType);
  router(bytes, offset, length);
  return given;
}

const EDGES = [0n, 1n, -1n, 9n, 10n, 2n ** 31n - 1n, -(2n ** 31n), 2n ** 32n - 1n, 2n ** 32n, -(2n ** 32n), 2n ** 53n, 2n ** 53n + 1n, 10n ** 15n - 1n, 10n ** 15n, 10n ** 18n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 63n) + 1n];
const int8 = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -1000n, max: 1000n }), fc.tuple(fc.constantFrom(...EDGES), fc.bigInt({ min: -3n, max: 3n })).map(([edge, by]) => BigInt.asIntN(64, edge + by)));

describe("keys that come as text", () => {
  test("integers are read exactly, over all of int8", () => {
    fc.assert(
      fc.property(int8, (value) => {
        expect(keyGiven("bigint", value.toString())).toEqual(integerKey(value, 8));
      }),
      { numRuns: 5000, examples: EDGES.map((edge) => [edge]) },
    );
  });

  test("uuids are their 16 bytes, text is itself", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string({ unit: "binary" }), (uuid, text) => {
        expect(keyGiven("uuid", uuid)).toEqual(uuidKey(uuid));
        expect(keyGiven("uuid", uuid.toUpperCase())).toEqual(uuidKey(uuid));
        expect(keyGiven("varchar", text)).toEqual(textKey(text));
      }),
    );
  });

  test("go to the shard of the same key in binary, by hash, SHA-1 and mapping", () => {
    const mapping: Mapping[] = [{ kind: "list", values: [5n, -7n], shard: 1 }, { kind: "range", start: -100n, end: 2n ** 40n, shard: 2 }, { kind: "default", shard: 0 }];
    const rules: { hasher: Hasher; mapping: Mapping[] }[] = [{ hasher: "postgres", mapping: [] }, { hasher: "sha1", mapping: [] }, { hasher: "postgres", mapping }];
    fc.assert(
      fc.property(int8, fc.constantFrom(...rules), fc.constantFrom(2, 4, 8), fc.integer({ min: 3, max: 64 }), (value, rule, width, shards) => {
        const narrow = BigInt.asIntN(width * 8, value);
        const router = keyRouter({ dataType: "bigint", ...rule }, shards);
        const binary = integerKey(narrow, width);
        const text = Buffer.from(narrow.toString());
        expect(textKeyRouter(router, "bigint")(text, 0, text.length)).toBe(router(binary, 0, binary.length));
      }),
      { numRuns: 2000 },
    );
  });

  test("NULL stays NULL", () => {
    for (const dataType of ["bigint", "uuid", "varchar"] as const) expect(textKeyRouter((_, __, length) => length, dataType)(Buffer.alloc(0), 0, -1)).toBe(-1);
  });

  test.each([
    ["bigint", ""], ["bigint", "-"], ["bigint", "1a"], ["bigint", "+1"], ["bigint", "1.0"], ["bigint", "--1"], ["bigint", " 1"],
    ["bigint", "9223372036854775808"], ["bigint", "-9223372036854775809"], ["bigint", "18446744073709551616"], ["bigint", "92233720368547758070"], ["bigint", "-92233720368547758080"],
    ["uuid", ""], ["uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"], ["uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a110"], ["uuid", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
  ] as const)("what is none of its type is refused: %s %s", (dataType, text) => {
    expect(() => keyGiven(dataType, text)).toThrow(/^A sharding key that came as text is not an? /);
  });
});
