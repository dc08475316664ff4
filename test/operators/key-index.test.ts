import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyIndex } from "../../src/operators/key-index.js";
import { valueBytes } from "../../src/postgres/tuple-values.js";

const value = fc.oneof(
  fc.constant(Buffer.from("n")),
  fc.tuple(fc.constantFrom("b", "t"), fc.uint8Array({ maxLength: 3 })).map(([kind, bytes]) => {
    const head = Buffer.from(`${kind}\0\0\0\0`);
    head.writeInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  }),
);

test("numbers keys as a map of their bytes does", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }).chain((width) => fc.array(fc.tuple(fc.boolean(), fc.array(value, { minLength: width, maxLength: width })), { minLength: 1, maxLength: 400, size: "max" })),
      (uses) => {
        const width = uses[0]![1].length;
        const buffer = Buffer.concat([Buffer.from([0, 0]), ...uses.flatMap(([, key]) => key)]);
        const index = new KeyIndex(buffer, width);
        const oracle = new Map<string, number>();
        let at = 2;
        for (const [adds, key] of uses) {
          const offsets = new Int32Array(width);
          key.forEach((bytes, column) => {
            offsets[column] = at;
            expect(valueBytes(buffer, at)).toBe(bytes.length);
            at += bytes.length;
          });
          const name = key.map((bytes) => bytes.toString("hex")).join();
          expect(index.lookUp(offsets)).toBe(oracle.get(name) ?? -1);
          if (adds) {
            if (!oracle.has(name)) oracle.set(name, oracle.size);
            expect(index.entryOf(offsets)).toBe(oracle.get(name));
          }
          expect(index.size).toBe(oracle.size);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("many keys that differ in one byte each are found again", () => {
  const count = 5000;
  const buffer = Buffer.alloc(9 * count);
  for (let key = 0; key < count; key++) {
    buffer.write("b", 9 * key);
    buffer.writeInt32BE(4, 9 * key + 1);
    buffer.writeInt32BE(key, 9 * key + 5);
  }
  const index = new KeyIndex(buffer, 1);
  for (let key = 0; key < count; key++) expect(index.entryOf(Int32Array.of(9 * key))).toBe(key);
  for (let key = 0; key < count; key++) expect(index.entryOf(Int32Array.of(9 * key))).toBe(key);
});
