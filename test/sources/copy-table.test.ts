import { finalize, firstValueFrom, lastValueFrom, map, type Observable, pipe, Subject, take, tap, toArray } from "rxjs";
import type pg from "pg";
import { describe, expect, test } from "vitest";
import { type Receipt, run, type Sink } from "../../src/flow.js";
import { decodeTuples } from "../../src/operators/decode-tuples.js";
import type { PublishedTable } from "../../src/postgres/catalog.js";
import { fieldAt, fieldLength } from "../../src/postgres/copy-binary.js";
import { tableId } from "../../src/postgres/identifiers.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { CopyBatch, RowBatch } from "../../src/row-batch.js";
import { copyTable, type CopyTableOptions } from "../../src/sources/copy-table.js";
import { type LiveShards, withLiveShards } from "../support/changes-live.js";
import { startTestCluster } from "../support/cluster.js";
import { moment } from "../support/moment.js";

const cluster = await startTestCluster();

async function published(live: LiveShards, name = "t", schema = "public"): Promise<PublishedTable> {
  return (await live.tables()).get(tableId({ schema, name }))!;
}

function optionsFor(live: LiveShards, table: PublishedTable): CopyTableOptions {
  return { server: live.address(-1), applicationName: "test copy", table };
}

const takeAll: Sink<RowBatch, Lsn> = map((batch) => ({ taken: batch.sequence, ...(batch.resume === undefined ? {} : { durable: batch.resume }) }));

/** The rows that a copy brings, fields as they are sent, and the snapshot's position. */
async function copied(options: CopyTableOptions): Promise<{ rows: (string | null)[][]; snapshot: Lsn }> {
  const rows: (string | null)[][] = [];
  const note = (batch: RowBatch): void => {
    for (let row = 0; row < batch.count; row++) {
      rows.push(options.table.columns.map((_, column) => {
        const at = fieldAt(batch.buffer, batch.starts[row]!, column);
        const length = fieldLength(batch.buffer, at);
        return length < 0 ? null : batch.buffer.toString("latin1", at + 4, at + 4 + length);
      }));
    }
  };
  const last = await lastValueFrom(run(copyTable(options), pipe(decodeTuples({ columns: options.table.columns.length }), tap(note)), takeAll));
  return { rows, snapshot: last.durable! };
}

async function sessions(client: pg.Client, name: string): Promise<number> {
  return (await client.query("SELECT FROM pg_stat_activity WHERE application_name = $1", [name])).rowCount!;
}

describe("the snapshot", () => {
  test("holds exactly the transactions that committed before its position, while others go on writing", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY)" }, async (live) => {
      const table = await published(live);
      const stop = new AbortController();
      let id = 0;
      const writer = (async () => {
        while (!stop.signal.aborted) await live.source.query(`INSERT INTO t VALUES (${++id})`);
      })();
      const other = await cluster.connect(live.address(-1).database);
      const copies: { ids: number[]; snapshot: Lsn }[] = [];
      try {
        for (let copy = 0; copy < 6; copy++) {
          let committed = 0;
          const { rows, snapshot } = await copied({ ...optionsFor(live, table), onSnapshot: () => { committed = id; } });
          // Rows went on being committed after the snapshot.
          while (id <= committed + 1) await other.query("SELECT 1");
          copies.push({ ids: rows.map(([value]) => Buffer.from(value!, "latin1").readInt32BE()).sort((a, b) => a - b), snapshot });
        }
      } finally {
        stop.abort();
        await writer;
        await other.end();
      }
      const commits: Lsn[] = [];
      const { batches } = await live.sync();
      for (const batch of batches) {
        for (let change = 0; change < batch.count; change++) commits.push(batch.transactions[batch.transactionOf[change]!]!.commitLsn);
      }
      expect(commits).toHaveLength(id);
      for (const { ids, snapshot } of copies) {
        // Change `i` of the slot inserted row `i + 1`.
        expect(ids).toEqual(commits.flatMap((commit, index) => (commit < snapshot ? [index + 1] : [])));
      }
      expect(copies[0]!.ids.length).toBeLessThan(copies[5]!.ids.length);
    });
  });
});

describe("what is read", () => {
  test("published columns, rows that pass the filter, no inherited ones, whatever the names", async () => {
    const schema = `CREATE SCHEMA "My ""Schema"; CREATE TABLE "My ""Schema"."sel ect" ("Id" text PRIMARY KEY, secret text, "Größe" text, shout text GENERATED ALWAYS AS (upper("Id")) STORED);
      CREATE TABLE "My ""Schema".child () INHERITS ("My ""Schema"."sel ect")`;
    await withLiveShards(cluster, { schema, published: `FOR TABLE ONLY "My ""Schema"."sel ect" ("Id", "Größe") WHERE ("Id" <> 'b')` }, async (live) => {
      await live.source.query(`INSERT INTO "My ""Schema"."sel ect" ("Id", secret, "Größe") VALUES ('a', 'x', '1'), ('b', 'x', '2'), ('c', 'x', NULL); INSERT INTO "My ""Schema".child ("Id") VALUES ('of the child')`);
      const { rows } = await copied(optionsFor(live, await published(live, "sel ect", 'My "Schema')));
      expect(rows).toEqual([["a", "1"], ["c", null]]);
    });
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id text PRIMARY KEY); CREATE TABLE child () INHERITS (t)", published: "FOR TABLE ONLY t" }, async (live) => {
      await live.source.query("INSERT INTO t VALUES ('a'); INSERT INTO child VALUES ('b')");
      expect((await copied(optionsFor(live, await published(live)))).rows).toEqual([["a"]]);
    });
  });

  test("a partition tree by its root, or leaf by leaf, as it is published", async () => {
    const schema = "CREATE TABLE t (id text PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE t_a PARTITION OF t FOR VALUES IN ('a'); CREATE TABLE t_b PARTITION OF t FOR VALUES IN ('b')";
    for (const [root, names] of [[true, ["t"]], [false, ["t_a", "t_b"]]] as const) {
      await withLiveShards(cluster, { schema, published: `FOR TABLE t WITH (publish_via_partition_root = ${root})` }, async (live) => {
        await live.source.query("INSERT INTO t VALUES ('a'), ('b')");
        const tables = await live.tables();
        expect([...tables.values()].map(({ name }) => name)).toEqual(names);
        const rows = [];
        for (const table of tables.values()) rows.push(...(await copied(optionsFor(live, table))).rows);
        expect(rows).toEqual([["a"], ["b"]]);
      });
    }
  });

  test("an empty table is one batch with the snapshot's position", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY)" }, async (live) => {
      let snapshot = 0n;
      const options = { ...optionsFor(live, await published(live)), onSnapshot: (position: Lsn) => { snapshot = position; } };
      const batches = await lastValueFrom(run(copyTable(options), decodeTuples(), (batches$: Observable<RowBatch>) => batches$.pipe(takeAll)).pipe(toArray()));
      expect(batches).toEqual([{ taken: 0, durable: snapshot }]);
      expect(snapshot).toBeGreaterThan(0n);
    });
  });
});

describe("flow", () => {
  test("reads on only while less than the window is on the way", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, a text)" }, async (live) => {
      await live.source.query("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n");
      const windowBytes = 2 * 1024 * 1024;
      const onTheWay: CopyBatch[] = [];
      let bytes = 0;
      let most = 0;
      let filled = 0;
      // Nothing is let go before the window is full: then no more than opens it again.
      const given$ = new Subject<Receipt<Lsn>>();
      const source = copyTable({ ...optionsFor(live, await published(live)), windowBytes });
      const watched = (): Observable<CopyBatch> =>
        source(given$).pipe(
          tap((batch) => {
            if (batch.resume === undefined) expect(bytes).toBeLessThan(windowBytes);
            onTheWay.push(batch);
            bytes += batch.bytes;
            most = Math.max(most, bytes);
            if (bytes < windowBytes) return;
            filled++;
            setImmediate(() => {
              while (bytes >= windowBytes) {
                const oldest = onTheWay.shift()!;
                bytes -= oldest.bytes;
                given$.next({ taken: oldest.sequence });
              }
            });
          }),
        );
      let rows = 0;
      await lastValueFrom(run(watched, pipe(decodeTuples(), tap((batch: RowBatch) => { rows += batch.count; })), takeAll));
      expect(rows).toBe(20_000);
      expect(filled).toBeGreaterThan(10);
      expect(most).toBeLessThan(windowBytes + 2 * 1024 * 1024);
    });
  });

  test("let go, it ends its session and with it the slot", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, a text)" }, async (live) => {
      await live.source.query("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n");
      let ended = false;
      await firstValueFrom(run(copyTable(optionsFor(live, await published(live))), decodeTuples(), takeAll).pipe(take(1), finalize(() => { ended = true; })));
      expect(ended).toBe(true);
      while ((await sessions(live.source, "test copy")) > 0) await moment();
      expect((await live.source.query("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")).rows).toEqual([{ slot_name: live.slot }]);
    });
  });

  test("an error of the server fails it with the server's words", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY)" }, async (live) => {
      const table = await published(live);
      await live.source.query("DROP TABLE t");
      await expect(copied(optionsFor(live, table))).rejects.toMatchObject({ code: "42P01" });
    });
  });
});
