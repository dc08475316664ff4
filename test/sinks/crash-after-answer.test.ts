import { from, lastValueFrom, of, toArray } from "rxjs";
import { expect, test } from "vitest";
import type { ServerAddress } from "../../src/config/types.js";
import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import { Sessions } from "../../src/pipelines/sessions.js";
import { readPublication } from "../../src/postgres/catalog.js";
import { encodeTuple } from "../../src/postgres/copy-binary.js";
import { createProgressTables } from "../../src/progress/progress-tables.js";
import { readStreamProgress } from "../../src/progress/stream-progress.js";
import { readTableProgress } from "../../src/progress/table-progress.js";
import { applyToShard } from "../../src/sinks/apply-to-shard.js";
import { copyIntoShard } from "../../src/sinks/copy-into-shard.js";
import { changeBatches, insertMessage, relationOf, type TableSpec, xlogData } from "../support/changes.js";
import { startTestCluster } from "../support/cluster.js";

/** Commits that nobody waits for stay in memory for long, also where that is the server's default. */
const cluster = await startTestCluster({ settings: { wal_writer_delay: "10s", synchronous_commit: "off" } });
const PROGRESS = { migration: "crash", sourceShard: 0 };
const sessions = new Sessions("crash");

async function shardWithTable(database: string): Promise<ServerAddress> {
  await cluster.createDatabase(database);
  const client = await cluster.connect(database);
  await createProgressTables(client);
  // Without the reference a copy would begin with TRUNCATE, and such a transaction always waits for the disk.
  await client.query("CREATE TABLE t (id text PRIMARY KEY, a text); CREATE TABLE refers (id text REFERENCES t); CREATE PUBLICATION p FOR TABLE t");
  await client.query("CHECKPOINT");
  await client.end();
  const { host, port, user, password } = cluster;
  return { host, port, user, password, database, sslmode: "disable" };
}

test("changes answered as durable are there after the shard's server has crashed", async () => {
  const shard = await shardWithTable("applied");
  const spec: TableSpec = { oid: 1, name: "t", columns: [{ name: "id", key: true }, { name: "a" }] };
  const payloads = [
    xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 }), xlogData(relationOf(spec)), xlogData(insertMessage(spec, ["1", "a"])),
    xlogData({ kind: "commit", commitLsn: 10n, endLsn: 20n, commitTime: 0n }),
  ];
  const [step] = await lastValueFrom(from(changeBatches(payloads)).pipe(shardChanges(() => ({ kind: "omnisharded" })), toArray())).then((batches) =>
    lastValueFrom(from(batches.map((batch) => changesOfShard(batch, 0))).pipe(rewriteUpserts(() => ["id"]), toArray())),
  );
  const sink = applyToShard({
    open: () => sessions.writer(shard, "apply 0", { pipeline: true }),
    progress: PROGRESS,
    keyOf: () => ["id"],
    completeFromSource: () => Promise.reject(new Error("nothing moves here")),
  });
  expect(await lastValueFrom(of(step!).pipe(sink))).toEqual({ taken: 0, durable: 20n });

  await cluster.restart();
  const client = await cluster.connect("applied");
  expect((await client.query("SELECT * FROM t")).rows).toEqual([{ id: "1", a: "a" }]);
  expect(await readStreamProgress(client, PROGRESS)).toBe(20n);
  await client.end();
});

test("a copy answered as durable is there after the shard's server has crashed", async () => {
  const shard = await shardWithTable("copied");
  const before = await cluster.connect("copied");
  const [table] = (await readPublication(before, "p")).tables;
  await before.end();
  const sink = copyIntoShard({ open: () => sessions.writer(shard, "copy 0.1"), table: table!, progress: PROGRESS, exclusive: true });
  const part = encodeTuple([Buffer.from("1"), Buffer.from("a")]);
  expect(await lastValueFrom(of({ sequence: 0, bytes: part.length, part, rows: 1, resume: 30n }).pipe(sink))).toEqual({ taken: 0, durable: 30n });

  await cluster.restart();
  const client = await cluster.connect("copied");
  expect((await client.query("SELECT * FROM t")).rows).toEqual([{ id: "1", a: "a" }]);
  expect([...(await readTableProgress(client, PROGRESS)).values()]).toEqual([{ snapshot: 30n, rows: 1 }]);
  await client.end();
});
