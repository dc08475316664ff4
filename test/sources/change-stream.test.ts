import { type Observable, Subject, type Subscription } from "rxjs";
import { describe, expect, test } from "vitest";
import type { ChangeBatch } from "../../src/change-batch.js";
import type { Receipt } from "../../src/flow.js";
import { formatLsn, type Lsn, parseLsn } from "../../src/postgres/lsn.js";
import { isRetryable } from "../../src/postgres/server-errors.js";
import type { ChangeStreamOptions } from "../../src/sources/change-stream.js";
import { type LiveShards, withLiveShards } from "../support/changes-live.js";
import { startTestCluster } from "../support/cluster.js";
import { moment } from "../support/moment.js";

const cluster = await startTestCluster();
const MEBIBYTE = 1024 * 1024;
const SCHEMA = "CREATE TABLE t (id int PRIMARY KEY, a text)";

/** A stream whose receipts the test writes by hand. */
class ByHand {
  readonly batches: ChangeBatch[] = [];
  readonly receipts$ = new Subject<Receipt<Lsn>>();
  /** Undefined until the stream ends; then whether it completed, or its error. */
  end: "completed" | { readonly error: unknown } | undefined;
  readonly #subscription: Subscription;
  #wake: () => void = () => undefined;

  constructor(live: LiveShards, options: Partial<ChangeStreamOptions> = {}, each: (batch: ChangeBatch) => void = () => undefined) {
    const stream$: Observable<ChangeBatch> = live.stream(options)(this.receipts$);
    this.#subscription = stream$.subscribe({
      next: (batch) => {
        this.batches.push(batch);
        each(batch);
        this.#wake();
      },
      error: (error: unknown) => {
        this.end = { error };
        this.#wake();
      },
      complete: () => {
        this.end = "completed";
        this.#wake();
      },
    });
  }

  /** Waits for a state that batches or the end bring about. */
  async until(state: () => boolean): Promise<void> {
    // The change of state may have come while nobody waited.
    while (!state()) await new Promise<void>((resolve) => { this.#wake = resolve; });
  }

  get changes(): number {
    return this.batches.reduce((sum, { count }) => sum + count, 0);
  }

  /** Says that all so far has been taken, and durable up to a position. */
  answer(durable?: Lsn): void {
    this.receipts$.next({ taken: this.batches.length - 1, ...(durable === undefined ? {} : { durable }) });
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }
}

/** Waits until the server knows that a position was received, which comes with the same message as what is flushed. */
async function untilReceived(live: LiveShards, position: Lsn): Promise<void> {
  for (;;) {
    const { rowCount } = await live.source.query("SELECT FROM pg_stat_replication WHERE application_name = $2 AND write_lsn >= $1::text::pg_lsn", [formatLsn(position), `test ${live.slot}`]);
    if (rowCount === 1) return;
    await moment();
  }
}

async function untilConfirmed(live: LiveShards, position: Lsn): Promise<void> {
  while ((await live.confirmed()) < position) await moment();
}

/** Commit positions of what the slot holds, in order. */
async function commits(live: LiveShards): Promise<Lsn[]> {
  const { rows } = await live.source.query<{ data: Buffer }>(
    "SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'p') WHERE get_byte(data, 0) = 66", [live.slot],
  );
  return rows.map(({ data }) => data.readBigUInt64BE(1));
}

describe("the slot is acknowledged", () => {
  test("up to what the receipts call durable, and never further", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const before = await live.confirmed();
      const stream = new ByHand(live);
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await stream.until(() => stream.changes === 1);
      const first = stream.batches.find(({ count }) => count > 0)!.resume!;
      // Taken is not durable.
      stream.answer();
      await untilReceived(live, first);
      expect(await live.confirmed()).toBe(before);

      await live.source.query("INSERT INTO t VALUES (2, 'b')");
      await stream.until(() => stream.changes === 2);
      const second = stream.batches.findLast(({ count }) => count > 0)!.resume!;
      stream.answer(first);
      await untilReceived(live, second);
      await untilConfirmed(live, first);
      expect(await live.confirmed()).toBe(first);
      stream.stop();
    });
  });

  test("so that the next stream begins with the first change that was not durable", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await live.source.query("INSERT INTO t VALUES (2, 'b')");
      const [one, two] = await commits(live);
      await live.sync({ stopAt: two! });
      expect(await live.rows(0, "t")).toEqual(["(a,1)"]);
      expect(await live.confirmed()).toBeGreaterThan(one!);
      expect(await live.confirmed()).toBeLessThanOrEqual(two!);
      expect(await commits(live)).toEqual([two]);
    });
  });
});

describe("the end", () => {
  test("lies exactly before the first transaction that commits at or after stopAt", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      for (let id = 1; id <= 4; id++) await live.source.query("INSERT INTO t SELECT n, 'a' FROM generate_series($1 * 10, $1 * 11) AS n", [id]);
      const positions = await commits(live);
      await live.position();
      for (const [stopAt, expected] of [
        [positions[0]!, 0], [positions[0]! + 1n, 2], [positions[2]! - 1n, 5], [positions[2]!, 5], [positions[2]! + 1n, 9], [positions[3]! + 1n, 14],
      ] as const) {
        const slot = `${live.slot}_copy`;
        await live.source.query("SELECT pg_copy_logical_replication_slot($1, $2)", [live.slot, slot]);
        const stream = new ByHand(live, { slot, stopAt }, (batch) => { stream.answer(batch.resume); });
        await stream.until(() => stream.end !== undefined);
        expect(stream.end).toBe("completed");
        expect(stream.changes).toBe(expected);
        const { rows } = await live.source.query<{ early: boolean }>("SELECT confirmed_flush_lsn <= $2::text::pg_lsn AS early FROM pg_replication_slots WHERE slot_name = $1", [slot, formatLsn(positions[[0, 2, 5, 9].indexOf(expected)] ?? 1n << 62n)]);
        expect(rows[0]!.early).toBe(true);
        await dropSlot(live, slot);
      }
    });
  });

  test("asked for by a signal, waits for what is on the way and acknowledges it", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const stop = new AbortController();
      const stream = new ByHand(live, { stop: stop.signal });
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await stream.until(() => stream.changes === 1);
      const last = stream.batches.at(-1)!.resume!;
      stop.abort();
      await live.source.query("INSERT INTO t VALUES (2, 'b')");
      stream.answer();
      await untilReceived(live, last);
      expect(stream.end).toBeUndefined();
      stream.answer(last);
      await stream.until(() => stream.end !== undefined);
      expect(stream.end).toBe("completed");
      expect(stream.changes).toBe(1);
      expect(await live.confirmed()).toBe(last);
      expect((await live.source.query("SELECT FROM pg_stat_replication WHERE application_name = $1", [`test ${live.slot}`])).rowCount).toBe(0);
    });
  });

  test("asked for within a transaction larger than a batch, acknowledges nothing of it", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const stop = new AbortController();
      const stream = new ByHand(live, { stop: stop.signal, batchBytes: MEBIBYTE, windowBytes: 4 * MEBIBYTE });
      await live.source.query("INSERT INTO t VALUES (0, 'before')");
      await stream.until(() => stream.changes === 1);
      await live.source.query("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n");
      await stream.until(() => stream.batches.filter(({ resume }) => resume === undefined).length >= 2);
      stop.abort();
      const last = stream.batches.findLast(({ resume }) => resume !== undefined)!.resume!;
      stream.answer(last);
      await stream.until(() => stream.end !== undefined);
      expect(stream.end).toBe("completed");
      expect(stream.changes).toBeLessThan(20_001);
      // The answer was waited for, and nothing more.
      expect(await live.confirmed()).toBe(last);
      expect(await commits(live)).toHaveLength(1);
    });
  });

  test("before the beginning, is at once", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const stream = new ByHand(live, { stop: AbortSignal.abort() });
      await stream.until(() => stream.end !== undefined);
      expect(stream.end).toBe("completed");
      const stop = new AbortController();
      const second = new ByHand(live, { stop: stop.signal });
      stop.abort();
      await second.until(() => second.end !== undefined);
      expect(second.end).toBe("completed");
    });
  });
});

describe("flow", () => {
  test("a transaction larger than a batch comes in pieces that nobody can start again behind, and whole", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      await live.source.query("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 5000) AS n");
      const [commit] = await commits(live);
      const stream = new ByHand(live, { batchBytes: MEBIBYTE }, (batch) => { stream.answer(batch.resume); });
      await stream.until(() => stream.changes === 5000);
      await stream.until(() => stream.batches.at(-1)!.resume !== undefined);
      const pieces = stream.batches.filter(({ count }) => count > 0);
      expect(pieces.length).toBeGreaterThan(3);
      for (const piece of pieces.slice(0, -1)) expect(piece.resume).toBeUndefined();
      for (const piece of pieces) expect(piece.transactions.map(({ commitLsn }) => commitLsn)).toEqual([commit]);
      stream.stop();
    });
  });

  test("reads on only while less than the window is on the way", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      for (let chunk = 0; chunk < 20; chunk++) await live.source.query("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series($1 * 1000, $1 * 1000 + 999) AS n", [chunk]);
      const windowBytes = 3 * MEBIBYTE;
      const onTheWay: ChangeBatch[] = [];
      let bytes = 0;
      let filled = 0;
      const stream = new ByHand(live, { batchBytes: MEBIBYTE, windowBytes }, (batch) => {
        expect(bytes).toBeLessThan(windowBytes);
        onTheWay.push(batch);
        bytes += batch.bytes;
        filled += bytes >= windowBytes ? 1 : 0;
        // Nothing is let go before the window is full: then no more than opens it again.
        if (bytes < windowBytes) return;
        setImmediate(() => {
          while (bytes >= windowBytes) {
            const oldest = onTheWay.shift()!;
            bytes -= oldest.bytes;
            stream.receipts$.next({ taken: oldest.sequence });
          }
        });
      });
      // Not to the end: the last changes are kept back while two batches are on the way.
      await stream.until(() => stream.changes >= 15_000 || stream.end !== undefined);
      expect(stream.end).toBeUndefined();
      expect(filled).toBeGreaterThan(5);
      stream.stop();
    });
  });

  test("stops reading the socket where nothing is taken: the server waits with what is to come", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      for (let chunk = 0; chunk < 40; chunk++) await live.source.query("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series($1 * 1000, $1 * 1000 + 999) AS n", [chunk]);
      const end = await live.position();
      const stream = new ByHand(live, { windowBytes: MEBIBYTE });
      let waited = 0;
      let sent: string | null = null;
      // A server that got rid of everything would not be waiting for us.
      while (waited < 50) {
        const { rows } = await live.source.query<{ sent: string | null; all: boolean | null; waits: boolean }>(
          `SELECT r.sent_lsn::text AS sent, r.sent_lsn >= $1::text::pg_lsn AS all, a.wait_event = 'WalSenderWriteData' AS waits
             FROM pg_stat_replication r JOIN pg_stat_activity a USING (pid) WHERE r.application_name = $2`, [formatLsn(end), `test ${live.slot}`],
        );
        if (rows[0] === undefined) continue;
        expect(rows[0].all).not.toBe(true);
        waited = rows[0].waits && sent !== null && rows[0].sent === sent ? waited + 1 : 0;
        ({ sent } = rows[0]);
      }
      expect(stream.end).toBeUndefined();
      expect(stream.changes).toBeLessThan(10_000);
      stream.stop();
    });
  });

  test("changes gather while two batches are on the way", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const stream = new ByHand(live);
      for (let id = 1; id <= 200; id++) await live.source.query("INSERT INTO t VALUES ($1, 'a')", [id]);
      await stream.until(() => stream.batches.length === 2);
      stream.answer();
      for (let id = 201; id <= 202; id++) await live.source.query("INSERT INTO t VALUES ($1, 'a')", [id]);
      while (stream.changes < 202) {
        await live.source.query("SELECT 1");
        if (stream.batches.length >= 2) stream.answer();
      }
      expect(stream.batches.length).toBeLessThan(200);
      stream.stop();
    });
  });
});

describe("a stream that fails", () => {
  const failureOf = async (stream: ByHand): Promise<unknown> => {
    await stream.until(() => stream.end !== undefined);
    return typeof stream.end === "object" ? stream.end.error : undefined;
  };

  test("for want of its slot says so", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      expect(await failureOf(new ByHand(live, { slot: "no_such_slot" }))).toMatchObject({ code: "42704", message: expect.stringContaining("no_such_slot") as string });
    });
  });

  test("because its publication is gone acknowledges none of the changes that the server then leaves out", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const stream = new ByHand(live, {}, (batch) => { stream.answer(batch.resume); });
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await stream.until(() => stream.changes === 1);
      await live.source.query("DROP PUBLICATION p");
      await live.source.query("INSERT INTO t VALUES (2, 'b')");
      const { rows } = await live.source.query<{ lsn: string }>("SELECT pg_current_wal_lsn() AS lsn");
      expect(await failureOf(stream)).toMatchObject({ code: "PUBLICATION_MISSING" });
      expect(await live.confirmed()).toBeLessThan(parseLsn(rows[0]!.lsn));
    });
  });

  test("for a slot that another reads may be tried again, and so may one whose session was ended", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const stream = new ByHand(live);
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await stream.until(() => stream.changes === 1);
      const other = await failureOf(new ByHand(live));
      expect(other).toMatchObject({ code: "55006" });
      expect(isRetryable(other)).toBe(true);
      await live.source.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1", [live.slot]);
      expect(isRetryable(await failureOf(stream))).toBe(true);
    });
  });

  test("let go, ends its session", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const stream = new ByHand(live);
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await stream.until(() => stream.changes === 1);
      stream.stop();
      for (;;) {
        const { rowCount } = await live.source.query("SELECT FROM pg_stat_activity WHERE application_name = $1", [`test ${live.slot}`]);
        if (rowCount === 0) break;
        await moment();
      }
      expect((await commits(live)).length).toBe(1);
    });
  });
});

async function dropSlot(live: LiveShards, slot: string): Promise<void> {
  await live.source.query("SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE slot_name = $1 AND active", [slot]);
  await live.source.query("SELECT pg_drop_replication_slot($1)", [slot]);
}
