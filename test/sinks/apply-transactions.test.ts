import { firstValueFrom, from, lastValueFrom, map, type Observable, Subject, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import type { StepBatch } from "../../src/apply-step.js";
import type { ChangeBatch } from "../../src/change-batch.js";
import { type Receipt, run } from "../../src/flow.js";
import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { isRetryable } from "../../src/postgres/server-errors.js";
import { readStreamProgress } from "../../src/progress/stream-progress.js";
import { applyToShard } from "../../src/sinks/apply-to-shard.js";
import { type LiveShards, withLiveShards } from "../support/changes-live.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster({ settings: { track_commit_timestamp: "on" } });
const SCHEMA = "CREATE TABLE t (id int PRIMARY KEY, a text)";

/** What the source has sent up to now, as steps of one shard; acknowledged at once. */
async function stepsNow(live: LiveShards): Promise<StepBatch[]> {
  const stopAt = await live.position();
  const batches: ChangeBatch[] = [];
  const takes = map((batch: ChangeBatch): Receipt<Lsn> => {
    batches.push(batch);
    return { taken: batch.sequence, ...(batch.resume === undefined ? {} : { durable: batch.resume }) };
  });
  await lastValueFrom(run(live.stream({ stopAt, batchBytes: 1024 * 1024 }), map((batch: ChangeBatch) => batch), takes));
  const parts$ = from(batches).pipe(shardChanges(() => ({ kind: "omnisharded" })), map((batch) => changesOfShard(batch, 0)));
  return await lastValueFrom(parts$.pipe(rewriteUpserts(() => ["id"]), toArray()));
}

function sinkOf(live: LiveShards): (batches$: Observable<StepBatch>) => Observable<Receipt<Lsn>> {
  return applyToShard({
    open: () => live.sessions.writer(live.address(0), "apply 0", { pipeline: true }),
    progress: live.progress,
    keyOf: () => ["id"],
    completeFromSource: () => Promise.reject(new Error("nothing moves here")),
  });
}

async function countOnShard(live: LiveShards): Promise<number> {
  const { rows } = await live.shards[0]!.query<{ count: number }>("SELECT count(*)::int4 AS count FROM t");
  return rows[0]!.count;
}

describe("a transaction larger than a batch", () => {
  const LARGE = "INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 4000) AS n";

  test("is taken piece by piece, and there and durable only with its end, together with the progress", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      await live.source.query(LARGE);
      const steps = await stepsNow(live);
      const pieces = steps.filter((batch) => batch.steps.length > 0);
      expect(pieces.length).toBeGreaterThan(2);
      const batches$ = new Subject<StepBatch>();
      const receipts: Receipt<Lsn>[] = [];
      const answers$ = new Subject<Receipt<Lsn>>();
      const subscription = batches$.pipe(sinkOf(live)).subscribe(answers$);
      for (const batch of steps) {
        const answered = firstValueFrom(answers$);
        batches$.next(batch);
        receipts.push(await answered);
        const done = receipts.at(-1)!.durable !== undefined && batch.sequence >= pieces.at(-1)!.sequence;
        expect(await countOnShard(live)).toBe(done ? 4000 : 0);
        expect(await readStreamProgress(live.shards[0]!, live.progress)).toBe(done ? pieces.at(-1)!.resume! : 0n);
      }
      subscription.unsubscribe();
      expect(receipts.map(({ taken }) => taken)).toEqual(steps.map(({ sequence }) => sequence));
      expect(receipts.map(({ durable }) => durable)).toEqual(steps.map(({ resume }) => resume));
    });
  });

  test("leaves nothing where the sink is let go before its end", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      await live.source.query(LARGE);
      const [first, second] = (await stepsNow(live)).filter((batch) => batch.steps.length > 0);
      const batches$ = new Subject<StepBatch>();
      const answers$ = new Subject<Receipt<Lsn>>();
      const subscription = batches$.pipe(sinkOf(live)).subscribe(answers$);
      for (const batch of [first!, second!]) {
        const answered = firstValueFrom(answers$);
        batches$.next(batch);
        await answered;
      }
      subscription.unsubscribe();
      await live.sessions.fence(live.shards[0]!, "apply");
      expect(await countOnShard(live)).toBe(0);
      expect(await readStreamProgress(live.shards[0]!, live.progress)).toBe(0n);
    });
  });
});

describe("progress", () => {
  test("is where the last changes end; a batch without changes is durable at once and writes nothing", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      const steps = await stepsNow(live);
      const receipts = await lastValueFrom(from(steps).pipe(sinkOf(live), toArray()));
      const changed = steps.filter((batch) => batch.steps.length > 0);
      expect(changed).toHaveLength(1);
      expect(receipts.at(-1)).toEqual({ taken: steps.length - 1, durable: steps.at(-1)!.resume });
      expect(await readStreamProgress(live.shards[0]!, live.progress)).toBe(changed[0]!.resume);
      // Rows are written in a subtransaction: what commits together has one time.
      const { rows } = await live.shards[0]!.query("SELECT pg_xact_commit_timestamp(t.xmin) = pg_xact_commit_timestamp(p.xmin) AS together FROM t, reshard.stream_progress AS p");
      expect(rows).toEqual([{ together: true }]);
    });
  });

  test("a failed batch leaves neither, also where the server ends the session", async () => {
    await withLiveShards(cluster, { schema: SCHEMA, shardSchema: `${SCHEMA}; ALTER TABLE t ADD CHECK (a <> 'refused')` }, async (live) => {
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await live.source.query("INSERT INTO t VALUES (2, 'refused')");
      const steps = await stepsNow(live);
      await expect(lastValueFrom(from(steps).pipe(sinkOf(live), toArray()))).rejects.toMatchObject({ code: "23514" });
      await live.sessions.fence(live.shards[0]!, "apply");
      // What an earlier batch brought has its progress; the failed one has neither.
      const applied = await readStreamProgress(live.shards[0]!, live.progress);
      expect(await countOnShard(live)).toBe(applied === 0n ? 0 : 1);

      await live.shards[0]!.query("ALTER TABLE t DROP CONSTRAINT t_a_check; TRUNCATE t");
      const lock = live.shards[0]!;
      await lock.query("BEGIN; LOCK TABLE t");
      const failing = lastValueFrom(from(steps).pipe(sinkOf(live), toArray())).then(() => undefined, (error: unknown) => error);
      // It waits for our lock: then its server process is ended.
      let ended = 0;
      while (ended === 0) {
        const { rowCount } = await live.source.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% apply %' AND wait_event_type = 'Lock'");
        ended = rowCount ?? 0;
      }
      expect(isRetryable(await failing)).toBe(true);
      await lock.query("COMMIT");
      expect(await countOnShard(live)).toBe(0);
    });
  });
});

describe("new rows", () => {
  const ROWS = "INSERT INTO t SELECT n, 'new' FROM generate_series(1, 100) AS n; UPDATE t SET a = 'set' WHERE id = 5; INSERT INTO t VALUES (101, '')";

  async function applied(live: LiveShards): Promise<Receipt<Lsn>[]> {
    await live.source.query(ROWS);
    const steps = await stepsNow(live);
    // Sent all at once: the second is encoded ahead, and commits of the first ones are not waited for on disk.
    const receipts = await lastValueFrom(from(steps).pipe(sinkOf(live), toArray()));
    expect(receipts.at(-1)).toEqual({ taken: steps.at(-1)!.sequence, durable: steps.at(-1)!.resume });
    const [expected, found] = await Promise.all([live.source, live.shards[0]!].map((client) => client.query("SELECT * FROM t ORDER BY id")));
    expect(found!.rows).toEqual(expected!.rows);
    return receipts;
  }

  test("come by COPY", async () => {
    await withLiveShards(cluster, { schema: SCHEMA, shardSchema: `${SCHEMA}; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF strpos(current_query(), 'COPY') <> 1 THEN RAISE 'by %', current_query(); END IF; RETURN NEW; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.a = 'new') EXECUTE FUNCTION refuse(); ALTER TABLE t ENABLE ALWAYS TRIGGER refuse` }, async (live) => {
      await applied(live);
    });
  });

  test("that are there all the same are written over", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      await live.shards[0]!.query("INSERT INTO t VALUES (7, 'early'), (101, 'early')");
      await applied(live);
    });
  });

  test("may be kept by policies, and then come otherwise", async () => {
    await withLiveShards(cluster, { schema: SCHEMA, shardSchema: `${SCHEMA}; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON t USING (true);
      DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'limited') THEN CREATE ROLE limited LOGIN PASSWORD 'limited'; END IF; END $$;
      GRANT ALL ON t TO limited; GRANT SET ON PARAMETER session_replication_role TO limited` }, async (live) => {
      await live.shards[0]!.query("GRANT ALL ON SCHEMA reshard TO limited; GRANT ALL ON ALL TABLES IN SCHEMA reshard TO limited");
      await live.source.query(ROWS);
      const sink = applyToShard({
        open: () => live.sessions.writer({ ...live.address(0), user: "limited", password: "limited" }, "apply 0", { pipeline: true }),
        progress: live.progress,
        keyOf: () => ["id"],
        completeFromSource: () => Promise.reject(new Error("nothing moves here")),
      });
      await lastValueFrom(from(await stepsNow(live)).pipe(sink));
      expect(await countOnShard(live)).toBe(101);
    });
  });
});

describe("a shard's schema that does not fit stops with what differs", () => {
  test.each([
    ["no table", "", "SCHEMA_DIFFERS", "does not exist on the shard"],
    ["no column", "CREATE TABLE t (id int PRIMARY KEY)", "SCHEMA_DIFFERS", 'column "a" does not exist'],
    ["another type", "CREATE TABLE t (id int PRIMARY KEY, a varchar(9))", "SCHEMA_DIFFERS", 'column "a" has another type'],
    ["no key", "CREATE TABLE t (id int, a text)", "KEY_MISSING", "no unique index on (id)"],
    ["a key that ON CONFLICT cannot use", "CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, a text)", "KEY_MISSING", "no unique index on (id)"],
    ["a partial key", "CREATE TABLE t (id int, a text); CREATE UNIQUE INDEX ON t (id) WHERE id > 0", "KEY_MISSING", "no unique index on (id)"],
  ])("%s", async (_, shardSchema, code, message) => {
    await withLiveShards(cluster, { schema: SCHEMA, shardSchema }, async (live) => {
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      const failed = await lastValueFrom(from(await stepsNow(live)).pipe(sinkOf(live), toArray())).then(() => undefined, (error: unknown) => error);
      expect(failed).toMatchObject({ code, kind: "operator", place: { table: "t" }, message: expect.stringContaining(message) as string, remedy: expect.stringContaining("start again") as string });
    });
  });

  test("and goes on at that change once it is mended", async () => {
    await withLiveShards(cluster, { schema: SCHEMA, shardSchema: "CREATE TABLE t (id int PRIMARY KEY)" }, async (live) => {
      await live.source.query("INSERT INTO t VALUES (1, 'a')");
      await expect(live.sync()).rejects.toMatchObject({ code: "SCHEMA_DIFFERS" });
      await live.shards[0]!.query("ALTER TABLE t ADD COLUMN a text");
      await live.source.query("SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE slot_name = $1 AND active", [live.slot]);
      await live.sync();
      expect(await live.rows(0, "t")).toEqual(await live.rows(-1, "t"));
      expect(await countOnShard(live)).toBe(1);
    });
  });
});
