import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSeen, SEEN_TRANSACTIONS, sees, seesAllOf, type SeenTransactions } from "../../src/postgres/seen-transactions.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();

const NEAR = 40;

/** Snapshots of which the transactions around them can be told one by one. */
const seenNear = (base: bigint): fc.Arbitrary<SeenTransactions> =>
  fc.tuple(fc.nat(NEAR), fc.nat(NEAR), fc.uniqueArray(fc.nat(NEAR))).map(([a, b, running]) => {
    const [from, to] = [base + BigInt(Math.min(a, b)), base + BigInt(Math.max(a, b))];
    return { from, to, running: new Set(running.map((place) => base + BigInt(place)).filter((xid) => xid >= from && xid < to)) };
  });

/** The plain way. */
const isSeen = ({ from, to, running }: SeenTransactions, xid: bigint): boolean => (xid >= from && xid < to ? !running.has(xid) : xid < from);

const base = fc.oneof(fc.bigInt(1000n, 1n << 40n), fc.bigInt(-50n, 50n).map((distance) => (3n << 32n) + distance));

describe("what a session sees", () => {
  it("is told of a transaction in 32 bits, also around the end of an epoch", () => {
    fc.assert(fc.property(base.chain((near) => fc.record({ near: fc.constant(near), seen: seenNear(near), place: fc.nat(NEAR) })), ({ near, seen, place }) => {
      const xid = near + BigInt(place);
      expect(sees(seen, Number(xid % (1n << 32n)))).toBe(isSeen(seen, xid));
    }));
  });

  it("is all that another one sees where nothing is missing", () => {
    fc.assert(fc.property(base.chain((near) => fc.record({ near: fc.constant(near), seen: seenNear(near), other: seenNear(near) })), ({ near, seen, other }) => {
      const all = Array.from({ length: NEAR + 2 }, (_, place) => near + BigInt(place)).every((xid) => isSeen(seen, xid) || !isSeen(other, xid));
      expect(seesAllOf(seen, other)).toBe(all);
    }));
  });

  it("is read from a server", async () => {
    const [one, two] = [await cluster.connect(), await cluster.connect()];
    const seenBy = async (): Promise<SeenTransactions> => readSeen((await two.query<{ seen: string }>(SEEN_TRANSACTIONS)).rows[0]!.seen);
    await one.query("BEGIN");
    const xid = Number((await one.query<{ xid: string }>("SELECT pg_current_xact_id()::xid::text AS xid")).rows[0]!.xid);
    // A later one that has ended, so that the first is among those running.
    await two.query("SELECT pg_current_xact_id()");
    const before = await seenBy();
    expect(sees(before, xid)).toBe(false);
    await one.query("COMMIT");
    const after = await seenBy();
    expect(sees(after, xid)).toBe(true);
    expect([seesAllOf(after, before), seesAllOf(before, after)]).toEqual([true, false]);
    await Promise.all([one.end(), two.end()]);
  });
});
