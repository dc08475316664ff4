import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { large, move, type Stand, stand } from "../support/move.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { eventsOf, hashed, runToEnd } from "../support/pipeline.js";
import { isTestedOn, servers } from "../support/servers.js";

const sharding = { tables: [hashed("owner", "bigint")] };
const SCHEMA = `
  CREATE TABLE items (id bigint PRIMARY KEY, owner bigint NOT NULL, title text, body text);
  CREATE TABLE logs (id bigint PRIMARY KEY, note text);`;
const ROWS = `
  INSERT INTO items SELECT i, i, 'first', ${large("i")} FROM generate_series(1, 100) i;
  INSERT INTO logs SELECT i, 'first' FROM generate_series(1, 100) i;`;
const tables: readonly PlacedTable[] = [
  { schema: "public", name: "items", placement: { kind: "hash", column: "owner", type: "bigint" } },
  { schema: "public", name: "logs", placement: { kind: "everywhere" } },
];

describe.each(servers)("case 9: transactions, on PostgreSQL $version", ({ version, options }) => {
  let cluster: Cluster;
  let shardCluster: Cluster;

  beforeAll(async () => {
    // A snapshot would wait for the transactions that write to the shards, and some are held back here.
    [cluster, shardCluster] = await Promise.all([startTestCluster({ ...options, settings: { max_prepared_transactions: 20 } }), startTestCluster(options)]);
  });

  const newStand = async (name: string): Promise<Stand> => await stand({ cluster, shardCluster, name: `${name}_${version}`, schema: SCHEMA, rows: ROWS, sharding, tables });

  /** Everything is on its shard, and verify says so too. */
  async function expectEqual({ source, shards, pipeline }: Stand): Promise<void> {
    expect((await runToEnd(pipeline)).sound).toBe(true);
    expect(await differences(source, shards, tables)).toEqual([]);
  }

  it.runIf(isTestedOn(version))("case 9: thousands of tiny transactions", async () => {
    await move(await newStand("tiny"), {
      async write(client, round) {
        await client.query(`DO $$ BEGIN
          FOR i IN 1..400 LOOP
            INSERT INTO items VALUES (${round} * 1000 + i, i, 'new', 'body'); COMMIT;
            UPDATE items SET owner = owner + 1, title = 'round ${round}' WHERE id = 1 + i % 100; COMMIT;
            INSERT INTO logs VALUES (${round} * 1000 + i, 'new'); COMMIT;
            DELETE FROM items WHERE id = (${round} - 3) * 1000 + i; DELETE FROM logs WHERE id = (${round} - 3) * 1000 + i; COMMIT;
            -- Nothing of it is published.
            PERFORM txid_current(); COMMIT;
          END LOOP; END $$`);
      },
    });
  });

  it("case 9: subtransactions and rollbacks to savepoints, more than a session caches, of a transaction that is kept or rolled back", async () => {
    await move(await newStand("subtransactions"), {
      async write(client, round) {
        await client.query("BEGIN");
        await client.query(`UPDATE items SET body = ${large(`-${round}`)} WHERE id % 10 = ${round % 10}`);
        // Each block with an EXCEPTION clause is a subtransaction; a session caches 64 (PGPROC_MAX_CACHED_SUBXIDS).
        await client.query(`DO $$ BEGIN
          FOR i IN 1..100 LOOP
            BEGIN
              INSERT INTO items VALUES (${round} * 1000 + i, i, 'new', 'body'); UPDATE items SET owner = owner + 1 WHERE id = i;
              UPDATE items SET id = -id WHERE id = ${round} * 1000 + i - 1;
              IF i % 3 = 0 THEN RAISE division_by_zero; END IF;
              BEGIN
                DELETE FROM items WHERE id = ${round} * 1000 + i; INSERT INTO logs VALUES (${round} * 1000 + i, 'new');
                IF i % 5 <> 0 THEN RAISE division_by_zero; END IF;
              EXCEPTION WHEN division_by_zero THEN NULL; END;
            EXCEPTION WHEN division_by_zero THEN NULL; END;
          END LOOP; END $$`);
        await client.query(`SAVEPOINT a; TRUNCATE items, logs; INSERT INTO items VALUES (1, 1, 'lost', 'lost'); ROLLBACK TO a; UPDATE items SET title = 'kept' WHERE id = 2; RELEASE a`);
        await client.query(`SAVEPOINT b; DELETE FROM items WHERE id % 2 = 0; SAVEPOINT c; DELETE FROM items; ROLLBACK TO c; DELETE FROM logs WHERE id < 50; ROLLBACK TO b`);
        await client.query(`SAVEPOINT d; UPDATE items SET id = id + 1000000, owner = owner + 1, body = NULL WHERE id = 3; ROLLBACK TO d; DELETE FROM items WHERE id BETWEEN ${(round - 3) * 1000 + 1} AND ${(round - 3) * 1000 + 100}`);
        await client.query(round % 4 === 0 ? "ROLLBACK" : "COMMIT");
      },
    });
  });

  it("case 9: prepared transactions, committed or rolled back long after", async () => {
    const two = await newStand("prepared");
    const before = await cluster.connect(two.source.database);
    await before.query("BEGIN; INSERT INTO items VALUES (5001, 7, 'prepared', 'before'); UPDATE items SET owner = owner + 1 WHERE id = 1; PREPARE TRANSACTION 'kept before'");
    await before.query("BEGIN; INSERT INTO items VALUES (5002, 7, 'prepared', 'before'); DELETE FROM logs; PREPARE TRANSACTION 'lost before'");
    const open: string[] = [];
    const run = await move(two, {
      endless: true,
      async write(client, round) {
        // The slot can be made only once those are over that were open before; a note tells.
        if (round === 2) await client.query("COMMIT PREPARED 'kept before'");
        if (round === 3) await client.query("ROLLBACK PREPARED 'lost before'");
        // Each is over two rounds later, so that it is open across whatever happens between.
        await client.query(`BEGIN; INSERT INTO items VALUES (${1000 + round}, ${round}, 'new', ${large(`${round}`)}); UPDATE items SET owner = owner + 1 WHERE id = ${10 + (round % 40)}`);
        await client.query(`SAVEPOINT a; DELETE FROM items WHERE id = ${1000 + round}; ROLLBACK TO a; INSERT INTO logs VALUES (${1000 + round}, 'prepared'); PREPARE TRANSACTION 'round ${round}'`);
        open.push(`round ${round}`);
        if (open.length > 2) await client.query(`${round % 3 === 0 ? "ROLLBACK" : "COMMIT"} PREPARED '${open.shift()!}'`);
        await client.query(`UPDATE items SET title = 'round ${round}' WHERE id = ${60 + (round % 40)}`);
      },
      async last(client) {
        for (const gid of open) await client.query(`COMMIT PREPARED '${gid}'`);
      },
    });
    expect(run.sound).toBe(true);
  });

  it.runIf(isTestedOn(version))("case 9: transactions that were open before are told, the copy begins after them, and it can be stopped meanwhile", async () => {
    const scene = await newStand("open");
    const session = async (...statements: string[]): Promise<pg.Client> => {
      const client = await cluster.connect(scene.source.database);
      for (const statement of statements) await client.query(statement);
      return client;
    };
    const kept = await session("BEGIN", "INSERT INTO items VALUES (5001, 7, 'open', 'kept')", "UPDATE items SET owner = owner + 1 WHERE id < 10");
    const lost = await session("BEGIN", "INSERT INTO items VALUES (5002, 7, 'open', 'lost')", "DELETE FROM items WHERE id BETWEEN 10 AND 19");
    await session("BEGIN", "INSERT INTO logs VALUES (5003, 'prepared')", "PREPARE TRANSACTION 'it''s open'");
    // A transaction that has written nothing is waited for by nobody.
    const reader = await session("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM items");
    const writer = await session("BEGIN", "SELECT 1");

    const abort = new AbortController();
    const stopped = runToEnd(scene.pipeline, { signal: abort.signal, report: (event) => { if (event.type === "note" && event.message.includes("a snapshot waits for")) abort.abort(); } });
    await expect(stopped).rejects.toMatchObject({ code: "INTERRUPTED" });
    const left = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() UNION ALL SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pg-reshard%'";
    await expect.poll(async () => (await scene.client.query<{ slot_name: string }>(left)).rows, { timeout: 20_000 }).toEqual([]);

    // One after the other ends; the last while the copy is under way, when both tables' snapshots have been taken.
    const blocker = await shardCluster.connect(scene.shards[0]!.database);
    await blocker.query("BEGIN; LOCK TABLE reshard.table_progress IN SHARE MODE");
    const read = new Set<string>();
    const work: Promise<unknown>[] = [];
    const notes: string[] = [];
    const run = await runToEnd(scene.pipeline, {
      report(event) {
        if (event.type === "note" && event.message.includes("a snapshot waits for")) {
          notes.push(event.message);
          if (notes.length === 1) work.push(kept.query("COMMIT"), lost.query("ROLLBACK"), scene.client.query("COMMIT PREPARED 'it''s open'"));
        }
        if (event.type !== "table-progress" || read.has(event.table)) return;
        read.add(event.table);
        if (read.size === 2) work.push(writer.query("INSERT INTO items VALUES (5004, 9, 'open', 'late')").then(() => writer.query("UPDATE items SET owner = owner + 1, title = 'late' WHERE id > 90")).then(() => blocker.query("COMMIT")));
      },
      // The reader's transaction, which has written nothing, stays open until all is over.
      beforeStage: async (stage) => {
        if (stage.type === "replicate") await writer.query("COMMIT");
      },
    });
    await Promise.all(work);
    expect(notes[0]).toMatch(/a snapshot waits for .*(that of session \d+ \(user postgres, since \d{4}-.* UTC\)|the prepared transaction 'it's open', since \d{4}-.*COMMIT PREPARED)/);
    expect(run.sound).toBe(true);
    expect((await reader.query("SELECT count(*) FROM items")).rows).toEqual([{ count: "100" }]);
    await reader.query("COMMIT");
    await expectEqual(scene);
  });

  it.runIf(isTestedOn(version))("case 9: verify tells of a prepared transaction that it waits for", async () => {
    const scene = await newStand("waiting");
    const run = await runToEnd(scene.pipeline, {
      async beforeStage(stage) {
        if (stage.type === "verify") await scene.client.query("BEGIN; DELETE FROM items WHERE id < 50; PREPARE TRANSACTION 'during verify'");
      },
      report(event) {
        if (event.type === "note" && event.message.includes("'during verify'")) void scene.client.query("COMMIT PREPARED 'during verify'");
      },
    });
    expect(eventsOf(run.events, "note").map(({ message }) => message)).toContainEqual(expect.stringContaining("a snapshot waits for a transaction that was open before: the prepared transaction 'during verify'"));
    expect(run.verdicts).toMatchObject([{ table: "items", equal: true, sourceRows: 51 }, { table: "logs", equal: true }]);
  });
});
