import { describe, expect, test } from "vitest";
import { StreamPacing, type StreamPacingOptions, type Waiting } from "../../src/sources/stream-pacing.js";
import { framesOf, insertMessage, keepalive, relationOf, type TableSpec, xlogData } from "../support/changes.js";

const table: TableSpec = { oid: 1, name: "t", columns: [{ name: "id", key: true }] };

function transaction(commitLsn: bigint, rows: number): Buffer[] {
  const insert = xlogData(insertMessage(table, ["1"]));
  return [
    xlogData({ kind: "begin", finalLsn: commitLsn, commitTime: 0n, xid: 1 }), xlogData(relationOf(table)), ...Array.from({ length: rows }, () => insert),
    xlogData({ kind: "commit", commitLsn, endLsn: commitLsn + 5n, commitTime: 0n }),
  ];
}

/** A stream that has received these payloads, and how it goes on. */
class Stream {
  readonly pacing: StreamPacing;
  #waiting: Buffer[] = [];

  constructor(options?: StreamPacingOptions) {
    this.pacing = new StreamPacing(options);
  }

  get waiting(): Waiting {
    const frames = framesOf(this.#waiting);
    return { frames, bytes: frames.buffer.length };
  }

  /** Sends on what is to be sent on; the batches' `resume`, -1 for none. */
  arrives(...payloads: readonly Buffer[]): bigint[] {
    this.#waiting.push(...payloads);
    const sent: bigint[] = [];
    for (let count = this.pacing.nextCount(this.waiting); count > 0; count = this.pacing.nextCount(this.waiting)) {
      sent.push(this.pacing.batchOf(framesOf(this.#waiting.splice(0, count))).resume ?? -1n);
    }
    this.pacing.stopIfReached(this.waiting);
    return sent;
  }
}

describe("the next batch", () => {
  test("holds whole transactions; what has not committed waits for its end", () => {
    const stream = new Stream();
    const open = transaction(300n, 3);
    expect(stream.arrives(...transaction(100n, 1), ...transaction(200n, 1), ...open.slice(0, 2))).toEqual([205n]);
    expect(stream.arrives(...open.slice(2))).toEqual([305n]);
  });

  test("is a piece once a transaction is larger than a batch", () => {
    const stream = new Stream({ batchBytes: 200 });
    const open = transaction(100n, 20);
    expect(stream.arrives(...open.slice(0, 10))).toEqual([-1n]);
    expect(stream.arrives(...open.slice(10, -1))).toEqual([-1n]);
    stream.pacing.receive({ taken: 0 });
    expect(stream.arrives(...open.slice(-1))).toEqual([105n]);
  });

  test("waits while two are on the way, and longer where the window is full", () => {
    const stream = new Stream({ batchBytes: 300, windowBytes: 900 });
    expect(stream.arrives(...transaction(100n, 1))).toEqual([105n]);
    expect(stream.arrives(...transaction(200n, 1))).toEqual([205n]);
    expect(stream.arrives(...transaction(300n, 1))).toEqual([]);
    expect(stream.arrives(...transaction(400n, 10))).toEqual([405n]);
    expect(stream.pacing.readsOn).toBe(false);
    expect(stream.arrives(...transaction(500n, 10))).toEqual([]);
    stream.pacing.receive({ taken: 2 });
    expect(stream.pacing.readsOn).toBe(true);
    expect(stream.arrives()).toEqual([505n]);
  });
});

describe("feedback", () => {
  test("has what is durable flushed, and nothing more", () => {
    const stream = new Stream();
    expect(stream.pacing.feedback).toEqual({ received: 0n, flushed: 0n });
    stream.arrives(...transaction(100n, 1));
    stream.pacing.receive({ taken: 0 });
    expect(stream.pacing.feedback).toEqual({ received: 105n, flushed: 0n });
    stream.pacing.receive({ taken: 0, durable: 105n });
    expect(stream.pacing.feedback).toEqual({ received: 105n, flushed: 105n });
  });

  test("moves on with keepalives where nothing else comes", () => {
    const stream = new Stream();
    expect(stream.arrives(keepalive(700n))).toEqual([700n]);
    stream.pacing.receive({ taken: 0, durable: 700n });
    expect(stream.pacing.feedback.flushed).toBe(700n);
  });
});

describe("the end", () => {
  test("is before the first transaction at or after the position, once all before it is durable", () => {
    const stream = new Stream({ stopAt: 200n });
    expect(stream.arrives(...transaction(100n, 1), ...transaction(200n, 1))).toEqual([105n]);
    expect(stream.pacing.stopping).toBe(true);
    expect(stream.pacing.finished).toBe(false);
    stream.pacing.receive({ taken: 0 });
    expect(stream.pacing.finished).toBe(false);
    stream.pacing.receive({ taken: 0, durable: 105n });
    expect(stream.pacing.finished).toBe(true);
  });

  test("comes with a keepalive where no such transaction does", () => {
    const stream = new Stream({ stopAt: 200n });
    expect(stream.arrives(...transaction(100n, 1), keepalive(199n))).toEqual([199n]);
    expect(stream.pacing.stopping).toBe(false);
    expect(stream.arrives(keepalive(200n))).toEqual([200n]);
    expect(stream.pacing.stopping).toBe(true);
  });

  test("does not wait for a transaction whose end was not sent on", () => {
    const stream = new Stream({ batchBytes: 100 });
    expect(stream.arrives(...transaction(100n, 20).slice(0, 10))).toEqual([-1n]);
    stream.pacing.stop();
    expect(stream.pacing.finished).toBe(false);
    stream.pacing.receive({ taken: 0 });
    expect(stream.pacing.finished).toBe(true);
    expect(stream.arrives(...transaction(100n, 20).slice(10))).toEqual([]);
  });
});
