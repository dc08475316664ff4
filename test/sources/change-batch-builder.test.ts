import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ChangeBatch, NO_TUPLE } from "../../src/change-batch.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { changeBatchOf, upToLastCommit, XLOG_DATA_HEADER_BYTES } from "../../src/sources/change-batch-builder.js";
import { framesBefore } from "../../src/sources/frames-before.js";
import { changeBatches, framesOf, freshStream, insertMessage, keepalive, relationOf, type TableSpec, xlogData } from "../support/changes.js";
import { arbitraryHistory, type History } from "../support/changes-history.js";
import { TABLES } from "../support/changes-tables.js";
import { readTuple } from "../support/pgoutput.js";

/** Everything that a batch says of its changes, values copied. */
function changesIn(batch: ChangeBatch): unknown[] {
  return Array.from({ length: batch.count }, (_, change) => {
    const tuple = (at: number): unknown => (at === NO_TUPLE ? undefined : readTuple(batch.buffer, at));
    return {
      kind: batch.kinds[change],
      relation: batch.relations[batch.relationOf[change]!],
      transaction: batch.transactions[batch.transactionOf[change]!],
      old: tuple(batch.oldTuples[change]!),
      whole: batch.oldTupleIsRow[change],
      new: tuple(batch.newTuples[change]!),
      truncate: batch.truncates.get(change)?.relations,
    };
  });
}

const history = arbitraryHistory({ tables: TABLES });
const cuts = fc.array(fc.nat(100), { maxLength: 20, size: "max" }).map((places) => new Set(places));
const kindOf = (payload: Buffer): string => (payload[0] === 0x6b ? "k" : String.fromCharCode(payload[XLOG_DATA_HEADER_BYTES]!));

/** The place behind which the stream stands outside a transaction, for each payload. */
function outsideAfter(payloads: readonly Buffer[]): boolean[] {
  let inside = false;
  return payloads.map((payload) => {
    const kind = kindOf(payload);
    if (kind === "B") inside = true;
    if (kind === "C") inside = false;
    return !inside;
  });
}

describe("changeBatchOf", () => {
  test("any grouping of the payloads gives the same changes, in the same order", () => {
    fc.assert(
      fc.property(history, cuts, ({ payloads }, cut) => {
        const single = changeBatches(payloads, new Set(payloads.keys()));
        const grouped = changeBatches(payloads, cut);
        expect(grouped.flatMap(changesIn)).toEqual(single.flatMap(changesIn));
        expect(grouped.map(({ sequence }) => sequence)).toEqual([...grouped.keys()]);
        for (const batch of grouped) expect(batch.bytes).toBe(batch.buffer.length);
      }),
      { numRuns: 200 },
    );
  });

  test("resume stands outside transactions only, covers all that came and never goes back", () => {
    fc.assert(
      fc.property(history, cuts, (source, cut) => {
        const { payloads, transactions, transactionOf } = source;
        const outside = outsideAfter(payloads);
        const ends = payloads.map((_, index) => index).filter((index) => cut.has(index) || index === payloads.length - 1);
        let last: Lsn = 0n;
        let begun = 0;
        changeBatches(payloads, cut).forEach((batch, index) => {
          const end = ends[index]!;
          const positioned = payloads.slice(begun, end + 1).some((payload, place) => kindOf(payload) === "C" || (kindOf(payload) === "k" && outside[begun + place]!));
          expect(batch.resume !== undefined).toBe(outside[end]! && positioned);
          begun = end + 1;
          if (batch.resume === undefined) return;
          const through = transactionOf[end]!;
          expect(batch.resume).toBeGreaterThanOrEqual(last);
          if (through >= 0) expect(batch.resume).toBeGreaterThanOrEqual(transactions[through]!.endLsn);
          const next = transactions[through + 1];
          if (next !== undefined) expect(batch.resume).toBeLessThanOrEqual(next.commitLsn);
          last = batch.resume;
        });
      }),
      { numRuns: 300 },
    );
  });

  const table: TableSpec = { oid: 1, name: "a", columns: [{ name: "id", key: true }] };
  const renamed: TableSpec = { ...table, columns: [{ name: "new id", key: true }, { name: "more" }] };
  const other: TableSpec = { oid: 2, name: "b", columns: [{ name: "id", key: true }] };
  const begin = xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 7 });
  const commit = xlogData({ kind: "commit", commitLsn: 10n, endLsn: 20n, commitTime: 0n });

  test("a Relation message in the middle describes what comes after it", () => {
    const [batch] = changeBatches([
      begin, xlogData(relationOf(table)), xlogData(insertMessage(table, ["1"])), xlogData(relationOf(renamed)), xlogData(insertMessage(renamed, ["2", "x"])), commit,
    ]);
    expect(batch!.relations.map(({ columns }) => columns.map(({ name }) => name))).toEqual([["id"], ["new id", "more"]]);
    expect([...batch!.relationOf.subarray(0, batch!.count)]).toEqual([0, 1]);
  });

  test("a TRUNCATE of several tables is a change of each, also beside others", () => {
    const tables = [table, other, ...Array.from({ length: 5 }, (_, index) => ({ ...other, oid: 10 + index, name: `t${index}` }))];
    const [batch] = changeBatches([
      begin, ...tables.map((each) => xlogData(relationOf(each))), xlogData(insertMessage(table, ["1"])),
      xlogData({ kind: "truncate", xid: undefined, relations: tables.map(({ oid }) => oid), cascade: true, restartIdentity: true }), xlogData(insertMessage(table, ["2"])), commit,
    ]);
    expect(batch!.count).toBe(9);
    expect([...batch!.truncates.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect([...batch!.relationOf.subarray(1, 8)].map((index) => batch!.relations[index]!.oid)).toEqual(tables.map(({ oid }) => oid));
    expect(batch!.resume).toBe(20n);
  });

  test("keepalives count outside transactions only", () => {
    expect(changeBatches([keepalive(5n)])[0]!.resume).toBe(5n);
    expect(changeBatches([begin, keepalive(5n)])[0]!.resume).toBeUndefined();
    expect(changeBatches([begin, commit, keepalive(15n)])[0]!.resume).toBe(20n);
    expect(changeBatches([begin, commit, keepalive(30n)])[0]!.resume).toBe(30n);
    expect(changeBatches([begin, commit, keepalive(15n)], new Set([1])).map(({ resume }) => resume)).toEqual([20n, 20n]);
  });

  test("what the stream did not ask for is a defect, not skipped", () => {
    const batchOf = (...payloads: Buffer[]) => () => changeBatchOf(framesOf(payloads), freshStream(), 0);
    expect(batchOf(begin, xlogData({ kind: "stream-start", xid: 1, firstSegment: true }))).toThrow(expect.objectContaining({ code: "DEFECT" }));
    expect(batchOf(begin, xlogData(insertMessage(table, ["1"])))).toThrow(expect.objectContaining({ code: "DEFECT" }));
    expect(batchOf(Buffer.from("?"))).toThrow(expect.objectContaining({ code: "DEFECT" }));
    expect(batchOf(begin, xlogData({ kind: "origin", commitLsn: 1n, name: "elsewhere" }), xlogData({ kind: "message", xid: undefined, transactional: true, lsn: 1n, prefix: "p", content: Buffer.from("x") }), commit)().count).toBe(0);
  });
});

/** The payloads of some whole transactions, of a piece of one in front, and so on: any run of a history. */
const runs = fc.tuple(history, fc.nat(100), fc.nat(100)).map(([source, from, length]) => {
  const start = from % (source.payloads.length + 1);
  return { source, start, payloads: source.payloads.slice(start, start + (length % 40)) };
});

describe("upToLastCommit", () => {
  test("ends outside a transaction and leaves no commit behind", () => {
    fc.assert(
      fc.property(runs, ({ source, start, payloads }) => {
        const outside = outsideAfter(source.payloads);
        const inside = start > 0 && !outside[start - 1]!;
        const count = upToLastCommit(framesOf(payloads), inside);
        if (count > 0) expect(outside[start + count - 1]).toBe(true);
        expect(payloads.slice(count).some((payload) => kindOf(payload) === "C")).toBe(false);
        // What is left begins with a transaction, or goes on with the one that was open.
        if (count < payloads.length && !(inside && count === 0)) expect(kindOf(payloads[count]!)).toBe("B");
      }),
      { numRuns: 300 },
    );
  });
});

describe("framesBefore", () => {
  test("counts what lies before the first transaction that commits at or after the position", () => {
    fc.assert(
      fc.property(runs, fc.bigInt(1000n, 2500n), ({ source, start, payloads }, position) => {
        const { count, reached } = framesBefore(framesOf(payloads), position);
        const commits = (index: number): Lsn => source.transactions[source.transactionOf[start + index]!]!.commitLsn;
        const first = payloads.findIndex((payload, index) => kindOf(payload) === "B" && commits(index) >= position);
        expect(count).toBe(first < 0 ? payloads.length : first);
        const told = payloads.slice(0, count).some((payload) => kindOf(payload) === "k" && payload.readBigUInt64BE(1) >= position);
        expect(reached).toBe(first >= 0 || told);
      }),
      { numRuns: 300 },
    );
  });

  test("a position is exclusive: the transaction that commits exactly there is left", () => {
    const begins = [10n, 20n].map((finalLsn) => xlogData({ kind: "begin", finalLsn, commitTime: 0n, xid: 1 }));
    expect(framesBefore(framesOf(begins), 10n)).toEqual({ count: 0, reached: true });
    expect(framesBefore(framesOf(begins), 11n)).toEqual({ count: 1, reached: true });
    expect(framesBefore(framesOf(begins), 21n)).toEqual({ count: 2, reached: false });
    expect(framesBefore(framesOf([keepalive(21n)]), 21n)).toEqual({ count: 1, reached: true });
    expect(framesBefore(framesOf([]), 0n)).toEqual({ count: 0, reached: false });
  });
});

test("the made-up histories hold every kind of change", () => {
  const kinds = new Set<string>();
  fc.assert(fc.property(history, (source: History) => {
    for (const payload of source.payloads) kinds.add(kindOf(payload));
  }), { numRuns: 200 });
  expect([...kinds].sort().join("")).toBe("BCDIRTUk");
});
