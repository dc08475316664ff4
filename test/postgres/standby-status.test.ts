import { expect, test } from "vitest";
import { standbyStatusUpdate } from "../../src/postgres/standby-status.js";

test("names the positions as they are, and the time since 2000", () => {
  const before = Date.now();
  const message = standbyStatusUpdate({ received: 0x1_0000_0003n, flushed: 2n, applied: 0n });
  const after = Date.now();
  expect(message).toHaveLength(34);
  expect(String.fromCharCode(message[0]!)).toBe("r");
  expect([1, 9, 17].map((at) => message.readBigUInt64BE(at))).toEqual([0x1_0000_0003n, 2n, 0n]);
  const sent = Date.UTC(2000, 0, 1) + Number(message.readBigInt64BE(25) / 1000n);
  expect(sent).toBeGreaterThanOrEqual(before);
  expect(sent).toBeLessThanOrEqual(after);
  // No answer is asked for.
  expect(message[33]).toBe(0);
});
