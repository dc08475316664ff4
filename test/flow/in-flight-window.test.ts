import fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_WINDOW_BYTES, InFlightWindow } from "../../src/in-flight-window.js";

test("is full while the bytes that no receipt has named reach its limit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.oneof(fc.nat(30).map((bytes) => ({ bytes })), fc.integer({ min: -1, max: 40 }).map((taken) => ({ taken }))), { maxLength: 60 }), (limit, uses) => {
      const window = new InFlightWindow(limit);
      let open: { sequence: number; bytes: number }[] = [];
      let next = 0;
      for (const use of uses) {
        if ("bytes" in use) {
          const batch = { sequence: next++, bytes: use.bytes };
          open.push(batch);
          window.add(batch);
        } else {
          open = open.filter(({ sequence }) => sequence > use.taken);
          window.release(use.taken);
        }
        expect(window.size).toBe(open.length);
        expect(window.full).toBe(open.reduce((sum, { bytes }) => sum + bytes, 0) >= limit);
      }
    }),
  );
});

test("one batch larger than the limit still passes", () => {
  const window = new InFlightWindow(10);
  expect(window.full).toBe(false);
  window.add({ sequence: 0, bytes: 1000 });
  expect(window.full).toBe(true);
  window.release(0);
  expect(window.full).toBe(false);
});

test("holds 8 MiB by default", () => {
  const window = new InFlightWindow();
  window.add({ sequence: 0, bytes: DEFAULT_WINDOW_BYTES - 1 });
  expect(window.full).toBe(false);
  window.add({ sequence: 1, bytes: 1 });
  expect(window.full).toBe(true);
  expect(DEFAULT_WINDOW_BYTES).toBe(8 * 1024 * 1024);
});
