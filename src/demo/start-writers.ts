import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { ReshardError } from "../errors.js";
import { IdRanges } from "./id-ranges.js";
import { seededRandom } from "./random.js";
import { Missed, Transaction } from "./transaction.js";
import { endOf, type TransactionKind, transactionKinds, weightedKinds } from "./transaction-kinds.js";
import { WriterCounts, type WriterReport } from "./writer-report.js";

export interface WriterOptions {
  /** Decides which transactions each writer tries, not how they interleave. Default 1. */
  readonly seed?: number;
  /** Of all writers together, at most. Default 400. */
  readonly transactionsPerSecond?: number;
  /** Only what a sharded database takes too. Default `all`. */
  readonly kinds?: "all" | "sharded";
  /** Called in each transaction that will commit, with the writer's number, from 0, and the transaction's. */
  readonly sign?: (client: pg.Client, writer: number, number: number) => Promise<void>;
}

/** Writers at work; they go on until `stop`, or until one of them fails, which stops all. */
export interface Writers {
  /** What was done so far. */
  report(): WriterReport;
  /** `longest` counts from here on. */
  forgetLongest(): void;
  /** Resolves after the first transaction that makes `reached` true; rejects when the writers end before that. */
  until(reached: (report: WriterReport) => boolean): Promise<void>;
  /**
   * Lets open transactions end, closes the connections and gives the final report. Rejects with `DEMO_WRITER_FAILED`
   * if a writer failed: deadlocks and serialization failures are tried again, everything else is a failure.
   */
  stop(): Promise<WriterReport>;
}

/** Starts `count` writers, each on its own connection, on a database filled by `loadShop`; resolves when all are connected. */
export async function startWriters(connect: () => Promise<pg.Client>, count: number, options: WriterOptions = {}): Promise<Writers> {
  const { seed = 1, transactionsPerSecond = 400, kinds = "all", sign } = options;
  const counts = new WriterCounts();
  const stopping = new AbortController();
  const waiting = new Set<{ reached: (report: WriterReport) => boolean; resolve: () => void; reject: (error: unknown) => void }>();
  const progress = (): void => {
    for (const waiter of waiting) {
      if (!waiter.reached(counts.report(seed))) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
  };
  let failure: ReshardError | undefined;
  let ended = false;

  const clients = await connectAll(connect, count);
  const writers = clients.map(async (client, index) => {
    try {
      await write(client, { seed: seed * 1000 + index, pause: (1000 * count) / transactionsPerSecond, counts, progress, stop: stopping.signal, kinds: weightedKinds(kinds), sign: sign === undefined ? undefined : (number) => sign(client, index, number) });
    } catch (cause) {
      failure ??= writerFailed(index, cause);
      stopping.abort();
    } finally {
      await client.end().catch(() => undefined);
    }
  });
  const done = Promise.all(writers).then(() => {
    ended = true;
    for (const { reject } of waiting) reject(failure ?? writersStopped());
    waiting.clear();
  });

  return {
    report: () => counts.report(seed),
    forgetLongest: () => { counts.forgetLongest(); },
    until: (reached) =>
      new Promise((resolve, reject) => {
        if (reached(counts.report(seed))) resolve();
        else if (ended) reject(failure ?? writersStopped());
        else waiting.add({ reached, resolve, reject });
      }),
    async stop() {
      stopping.abort();
      await done;
      if (failure !== undefined) throw failure;
      return counts.report(seed);
    },
  };
}

async function connectAll(connect: () => Promise<pg.Client>, count: number): Promise<pg.Client[]> {
  const attempts = await Promise.allSettled(Array.from({ length: count }, connect));
  const clients = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
  const refused = attempts.find((attempt) => attempt.status === "rejected");
  if (refused !== undefined) {
    await Promise.allSettled(clients.map((client) => client.end()));
    throw refused.reason;
  }
  // A lost connection shows as the failure of the next statement; without a listener it would end the process.
  for (const client of clients) client.on("error", () => undefined);
  return clients;
}

interface WriterWork {
  readonly seed: number;
  /** Milliseconds from the start of one transaction to the start of the next, at least. */
  readonly pause: number;
  readonly counts: WriterCounts;
  readonly progress: () => void;
  readonly stop: AbortSignal;
  readonly kinds: readonly TransactionKind[];
  readonly sign: ((number: number) => Promise<void>) | undefined;
}

/** Transactions since the last look at how far ids reach. */
const REFRESH_EVERY = 50;

async function write(client: pg.Client, { seed, pause, counts, progress, stop, kinds, sign }: WriterWork): Promise<void> {
  const random = seededRandom(seed);
  const ids = await IdRanges.of(client);
  let next = performance.now();
  for (let turn = 1; !stop.aborted; turn++) {
    const kind = random.pick(kinds);
    const began = performance.now();
    while (!(await attempt(kind, new Transaction(client, random, ids), counts, sign && (() => sign(turn))))) counts.retried++;
    counts.took(performance.now() - began);
    progress();
    if (turn % REFRESH_EVERY === 0) await ids.refresh();
    // Behind by less than a second, a writer catches up; by more, the machine has not the room and it lets go.
    const now = performance.now();
    next = Math.max(next + pause, now - 1000);
    if (next > now) await sleep(next - now, undefined, { signal: stop }).catch(() => undefined);
  }
}

/** One transaction; false if it has to be tried again. */
async function attempt(kind: TransactionKind, tx: Transaction, counts: WriterCounts, sign: (() => Promise<void>) | undefined): Promise<boolean> {
  try {
    await tx.client.query("BEGIN");
    await transactionKinds[kind].work(tx);
    if (endOf(kind) === "COMMIT") await sign?.();
    await tx.client.query(endOf(kind));
  } catch (error) {
    if (error instanceof Missed) counts.missed++;
    else if (!isConflict(error)) throw error;
    await tx.client.query("ROLLBACK");
    return error instanceof Missed;
  }
  counts.ended(kind);
  counts.savepointRollbacks += tx.savepointRollbacks;
  return true;
}

/** serialization_failure, deadlock_detected and lock_not_available, which is a deadlock across shards (PostgreSQL documentation, appendix A). */
const CONFLICTS = new Set(["40001", "40P01", "55P03"]);

function isConflict(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code !== undefined && CONFLICTS.has(error.code);
}

function writerFailed(index: number, cause: unknown): ReshardError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const { detail, where } = cause instanceof pg.DatabaseError ? cause : {};
  return new ReshardError("DEMO_WRITER_FAILED", [`Writer ${index} of the demo failed: ${message}`, detail, where].filter(Boolean).join("\n"), {
    remedy: "Its open transaction was rolled back. Look at the source server: is it up, and does it still accept writes?",
    cause,
  });
}

function writersStopped(): ReshardError {
  return new ReshardError("DEMO_WRITERS_STOPPED", "The writers of the demo were stopped before that state was reached.", { remedy: "Run the demo again, and let it come to its end." });
}
