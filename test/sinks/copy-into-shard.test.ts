import { firstValueFrom, lastValueFrom, pipe, Subject } from "rxjs";
import { describe, expect, test } from "vitest";
import { type Receipt, run, type Sink } from "../../src/flow.js";
import { decodeTuples } from "../../src/operators/decode-tuples.js";
import { partitionRows, rowPart } from "../../src/operators/partition-rows.js";
import { shardRows } from "../../src/operators/shard-rows.js";
import type { PublishedTable } from "../../src/postgres/catalog.js";
import { encodeTuple } from "../../src/postgres/copy-binary.js";
import { tableId } from "../../src/postgres/identifiers.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { readTableProgress } from "../../src/progress/table-progress.js";
import type { RowPart } from "../../src/row-batch.js";
import { shardOfBigint } from "../../src/sharding/hash.js";
import { copyIntoShard } from "../../src/sinks/copy-into-shard.js";
import { toShards } from "../../src/sinks/to-shards.js";
import { copyTable } from "../../src/sources/copy-table.js";
import { type LiveShards, withLiveShards } from "../support/changes-live.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();
const SCHEMA = "CREATE TABLE t (id int PRIMARY KEY, a text)";

async function published(live: LiveShards, name = "t"): Promise<PublishedTable> {
  return (await live.tables()).get(tableId({ schema: "public", name }))!;
}

function sinkOf(live: LiveShards, shard: number, table: PublishedTable, exclusive = true): Sink<RowPart, Lsn> {
  return copyIntoShard({ open: () => live.sessions.writer(live.address(shard), `copy 0.${table.oid}`), table, progress: live.progress, exclusive });
}

/** Drives a sink by hand: each part's receipt is waited for. */
async function write(live: LiveShards, sink: Sink<RowPart, Lsn>, parts: readonly (Pick<RowPart, "part" | "rows"> & { resume?: Lsn; after?: () => Promise<void> })[]): Promise<Receipt<Lsn>[]> {
  const parts$ = new Subject<RowPart>();
  const receipts$ = new Subject<Receipt<Lsn>>();
  const subscription = parts$.pipe(sink).subscribe(receipts$);
  const receipts: Receipt<Lsn>[] = [];
  try {
    for (const [sequence, { after, ...part }] of parts.entries()) {
      const receipt = firstValueFrom(receipts$);
      parts$.next({ ...part, sequence, bytes: part.part.length });
      receipts.push(await receipt);
      await after?.();
    }
    return receipts;
  } finally {
    subscription.unsubscribe();
    await live.sessions.fence(live.shards[0]!, "copy");
  }
}

function row(id: number, a: string | null): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(id);
  return encodeTuple([bytes, a === null ? null : Buffer.from(a)]);
}

async function progressOf(live: LiveShards, shard = 0): Promise<unknown> {
  return (await readTableProgress(live.shards[shard]!, live.progress)).get('"public"."t"');
}

async function copyAll(live: LiveShards, table: PublishedTable, sinks: readonly (Sink<RowPart, Lsn> | undefined)[]): Promise<Receipt<Lsn>> {
  const route = { kind: "key", column: "id", dataType: "bigint", shardOf: (bytes: Buffer, offset: number) => shardOfBigint(bytes.readInt32BE(offset) < 0 ? -1 : 0, bytes.readInt32BE(offset), sinks.length) } as const;
  return await lastValueFrom(
    run(copyTable({ server: live.address(-1), applicationName: "test copy", table }), pipe(decodeTuples(), shardRows({ table, route }), partitionRows(sinks.length)), toShards(rowPart, sinks)),
  );
}

describe("a table's rows", () => {
  test("are on their shards, all of them, with the progress in the same transaction", async () => {
    const schema = `CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN filled AS text NOT NULL;
      CREATE TABLE t (number int GENERATED ALWAYS AS IDENTITY, id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, a text, mood mood, moods mood[], name filled, doc jsonb, raw bytea, price numeric(9, 2))`;
    await withLiveShards(cluster, { schema, shards: 2 }, async (live) => {
      await live.source.query(`INSERT INTO t (id, a, mood, moods, name, doc, raw, price)
        SELECT n, repeat('ä', n % 300), 'glad', '{sad,NULL}', 'n', jsonb_build_object('n', n), decode(md5(n::text), 'hex'), n / 3.0 FROM generate_series(-5000, 5000) AS n`);
      const table = await published(live);
      const receipt = await copyAll(live, table, [sinkOf(live, 0, table), sinkOf(live, 1, table)]);
      const [first, second] = [await live.rows(0, "t", "id"), await live.rows(1, "t", "id")];
      expect([...first, ...second].sort()).toEqual((await live.rows(-1, "t", "id")).sort());
      expect(await progressOf(live, 0)).toEqual({ snapshot: receipt.durable, rows: first.length });
      expect(await progressOf(live, 1)).toEqual({ snapshot: receipt.durable, rows: second.length });
      const { rows } = await live.shards[0]!.query<{ together: number }>("SELECT count(*)::int4 AS together FROM t, reshard.table_progress AS p WHERE p.xmin = t.xmin");
      expect(rows[0]!.together).toBe(first.length);
    });
  });

  test("go only where a shard lacks them", async () => {
    await withLiveShards(cluster, { schema: SCHEMA, shards: 2 }, async (live) => {
      await live.source.query("INSERT INTO t SELECT n, 'a' FROM generate_series(1, 100) AS n");
      const table = await published(live);
      const receipt = await copyAll(live, table, [undefined, sinkOf(live, 1, table)]);
      expect(receipt.durable).toBeGreaterThan(0n);
      expect(await live.rows(0, "t")).toEqual([]);
      expect(await progressOf(live, 0)).toBeUndefined();
      expect((await live.rows(1, "t")).length).toBeGreaterThan(10);
    });
  });

  test("may be none, and a table that others refer to takes them too", async () => {
    await withLiveShards(cluster, { schema: `${SCHEMA}; CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t)` }, async (live) => {
      const table = await published(live);
      expect(await write(live, sinkOf(live, 0, table), [{ part: row(1, null), rows: 1 }, { part: Buffer.alloc(0), rows: 0, resume: 9n }])).toEqual([{ taken: 0 }, { taken: 1, durable: 9n }]);
      expect(await live.rows(0, "t")).toEqual(["(,1)"]);
      const child = await published(live, "child");
      expect(await write(live, sinkOf(live, 0, child), [{ part: Buffer.alloc(0), rows: 0, resume: 10n }])).toEqual([{ taken: 0, durable: 10n }]);
    });
  });

  test("of several source shards come one after the other into the same table", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const table = await published(live);
      await write(live, sinkOf(live, 0, table, false), [{ part: row(1, "first"), rows: 1, resume: 9n }]);
      const second = copyIntoShard({ open: () => live.sessions.writer(live.address(0), `copy 0.${table.oid}`), table, progress: { ...live.progress, sourceShard: 1 }, exclusive: false });
      await write(live, second, [{ part: row(2, "second"), rows: 1, resume: 11n }]);
      expect(await live.rows(0, "t")).toEqual(["(first,1)", "(second,2)"]);
    });
  });
});

describe("a copy that fails leaves nothing, and says why", () => {
  test("a row that the shard refuses", async () => {
    await withLiveShards(cluster, { schema: SCHEMA, shardSchema: `${SCHEMA}; ALTER TABLE t ADD CHECK (a <> 'refused')` }, async (live) => {
      const table = await published(live);
      await expect(write(live, sinkOf(live, 0, table), [{ part: row(1, "a"), rows: 1 }, { part: row(2, "refused"), rows: 1, resume: 5n }])).rejects.toMatchObject({ code: "23514" });
      expect(await live.rows(0, "t")).toEqual([]);
      expect(await progressOf(live)).toBeUndefined();
    });
  });

  test("an error that the server sends between two batches is the one that is told", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const failed = async (): Promise<void> => {
        for (;;) {
          const { rowCount } = await live.source.query("SELECT FROM pg_stat_activity WHERE datname = $1 AND state = 'idle in transaction (aborted)'", [live.address(0).database]);
          if (rowCount === 1) return;
        }
      };
      // Enough of it that the server looks at it before more comes.
      const bad = Buffer.concat([...Array.from({ length: 20_000 }, (_, id) => row(id, "a")), Buffer.from([0, 9]), ...Array.from({ length: 20_000 }, (_, id) => row(id, "b"))]);
      await expect(write(live, sinkOf(live, 0, await published(live)), [
        { part: bad, rows: 40_000, after: failed },
        { part: row(2, "b"), rows: 1, resume: 5n },
      ])).rejects.toMatchObject({ code: "22P04" });
      expect(await live.rows(0, "t")).toEqual([]);
    });
  });

  test("rows that arrive in another number", async () => {
    const drops = `${SCHEMA}; CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN NEW.id > 1 THEN NEW END; END';
      CREATE TRIGGER skip BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION skip(); ALTER TABLE t ENABLE ALWAYS TRIGGER skip`;
    await withLiveShards(cluster, { schema: SCHEMA, shardSchema: drops }, async (live) => {
      await expect(write(live, sinkOf(live, 0, await published(live)), [{ part: Buffer.concat([row(1, "a"), row(2, "a")]), rows: 2, resume: 5n }])).rejects.toMatchObject({
        code: "COPY_ROW_COUNT", message: "t: 2 rows were sent and 1 arrived.",
      });
      expect(await live.rows(0, "t")).toEqual([]);
      expect(await progressOf(live)).toBeUndefined();
    });
  });

  test("rows on the shard that nobody copied are not removed", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      await live.shards[0]!.query("INSERT INTO t VALUES (7, 'mine')");
      await expect(write(live, sinkOf(live, 0, await published(live)), [{ part: row(1, "a"), rows: 1, resume: 5n }])).rejects.toMatchObject({ code: "DESTINATION_NOT_EMPTY", place: { table: "t" } });
      expect(await live.rows(0, "t")).toEqual(["(mine,7)"]);
    });
  });

  test("a copy that is let go in the middle", async () => {
    await withLiveShards(cluster, { schema: SCHEMA }, async (live) => {
      const table = await published(live);
      expect(await write(live, sinkOf(live, 0, table), [{ part: row(1, "a"), rows: 1 }, { part: row(2, "a"), rows: 1 }])).toEqual([{ taken: 0 }, { taken: 1 }]);
      expect(await live.rows(0, "t")).toEqual([]);
      // And the next attempt does it.
      await write(live, sinkOf(live, 0, table), [{ part: row(1, "a"), rows: 1, resume: 8n }]);
      expect(await live.rows(0, "t")).toEqual(["(a,1)"]);
      expect(await progressOf(live)).toEqual({ snapshot: 8n, rows: 1 });
    });
  });
});
