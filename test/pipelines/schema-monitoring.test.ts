import type pg from "pg";
import { describe, expect, it } from "vitest";
import type { Pipeline } from "../../src/config/types.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { runPipeline } from "../../src/pipelines/run-pipeline.js";
import { runSchemaSync, schemaSyncSql } from "../../src/pipelines/run-schema-sync.js";
import { SchemaProgress, type SchemaRow } from "../../src/pipelines/schema-progress.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, hashed, makePipeline, type PipelineParts } from "../support/pipeline.js";
import { isTestedOn, servers } from "../support/servers.js";
import { moment } from "../support/moment.js";

/** Index builds that call `gate` stop half-way through the table while the test holds this lock. */
const GATE = 42;
const ROWS = 20_000;
const MEMORY = "77MB";

/** What the index builds of a shard are checked with: they fail where they have not the memory that they were to have. */
const SCHEMA = `
  CREATE FUNCTION gate(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN
    IF current_setting('maintenance_work_mem') <> '${MEMORY}' THEN
      RAISE EXCEPTION 'maintenance_work_mem is %', current_setting('maintenance_work_mem');
    END IF;
    IF n = ${ROWS / 2} THEN
      PERFORM pg_catalog.pg_advisory_xact_lock_shared(${GATE});
    END IF;
    RETURN n;
  END $$;
  CREATE TABLE items (id bigint PRIMARY KEY, n integer);
  CREATE TABLE rooms (id bigint PRIMARY KEY, n integer, CONSTRAINT only_one EXCLUDE USING btree ((gate(n)) WITH =));
  CREATE INDEX first_index ON items (gate(n));
  CREATE UNIQUE INDEX second_index ON items (gate(n));
  CREATE TABLE parts (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
  CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (10);
  CREATE TABLE parts_high PARTITION OF parts DEFAULT;
  CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS items FROM items;
  CREATE PUBLICATION p FOR TABLE items, rooms, parts;
  SELECT lo_create(0), lo_create(0);
`;
const BUILDS = ["first_index", "only_one", "second_index"];

for (const { version, options } of servers) {
  describe(`schema sync on PostgreSQL ${version}`, async () => {
    const cluster = await startTestCluster(options);
    await cluster.createDatabase("source");
    const source = await cluster.connect("source");
    await source.query(SCHEMA);
    let made = 0;

    async function open(parts: Partial<PipelineParts>, count = 1): Promise<{ pipeline: Pipeline; shards: pg.Client[] }> {
      const databases = Array.from({ length: count }, () => `shard${made++}`);
      for (const database of databases) await cluster.createDatabase(database);
      const shards = await Promise.all(databases.map((database) => cluster.connect(database)));
      const to = databases.map((database) => addressOf({ cluster, database }));
      return { pipeline: makePipeline({ from: addressOf({ cluster, database: "source" }), to, publication: "p", name: databases[0]!, ...parts }), shards };
    }

    async function filled(parts: Partial<PipelineParts>): Promise<{ pipeline: Pipeline; shard: pg.Client }> {
      const { pipeline, shards } = await open(parts);
      await runSchemaSync({ pipeline, phase: "pre", report: () => undefined, signal: new AbortController().signal });
      await shards[0]!.query(`INSERT INTO items SELECT n, n FROM generate_series(1, ${ROWS}) n; INSERT INTO rooms SELECT * FROM items; INSERT INTO parts SELECT generate_series(1, 20)`);
      // What was changed is counted at the session's leisure otherwise.
      await shards[0]!.query("SELECT pg_stat_force_next_flush()");
      return { pipeline, shard: shards[0]! };
    }

    interface Watched {
      readonly progress: SchemaProgress;
      readonly rows: () => SchemaRow[];
      readonly finished: Promise<unknown>;
    }

    function watchedPost(pipeline: Pipeline): Watched {
      const progress = new SchemaProgress();
      const finished = runSchemaSync({ pipeline, phase: "post", report: (event) => { progress.apply(event, Date.now()); }, signal: new AbortController().signal });
      finished.catch(() => undefined);
      return { progress, finished, rows: () => progress.rows().filter(({ object }) => BUILDS.includes(object?.name ?? "")) };
    }

    const waiting = async (shard: pg.Client): Promise<number> =>
      (await shard.query<{ count: number }>("SELECT count(*)::int4 AS count FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).rows[0]!.count;

    it("builds as many indexes at a time as it is told, with the memory it is told, and says how far each is", async () => {
      const { pipeline, shard } = await filled({ general: { reshardingParallelIndexBuilds: 3, reshardingMaintenanceWorkMem: MEMORY } });
      await shard.query("SELECT pg_advisory_lock($1)", [GATE]);
      const { rows, progress, finished } = watchedPost(pipeline);
      await until(finished, async () => (await waiting(shard)) === BUILDS.length);
      await until(finished, () => rows().every(({ share }) => share !== undefined));
      for (const row of rows()) {
        expect(row).toMatchObject({ phase: "post", shard: 0, state: "running", doing: "scanning table" });
        expect(row.share).toBeGreaterThan(0);
        expect(row.share).toBeLessThan(1);
      }
      expect(progress.underWay().map(({ object }) => object?.name).sort()).toEqual(BUILDS);
      expect(progress.rows().filter(({ kind }) => kind === "analyze").map(({ state }) => state)).toEqual(["waiting", "waiting", "waiting", "waiting"]);
      await shard.query("SELECT pg_advisory_unlock($1)", [GATE]);
      await finished;
      expect(progress.rows().filter(({ state }) => state !== "done")).toEqual([]);
      expect(rows().some((row) => "share" in row)).toBe(false);
    });

    it.runIf(isTestedOn(version))("builds one after the other where it is told so", async () => {
      const { pipeline, shard } = await filled({ general: { reshardingParallelIndexBuilds: 1, reshardingMaintenanceWorkMem: MEMORY } });
      await shard.query("SELECT pg_advisory_lock($1)", [GATE]);
      const { rows, finished } = watchedPost(pipeline);
      await until(finished, () => rows().some(({ share }) => share !== undefined));
      expect(await waiting(shard)).toBe(1);
      expect(rows().map(({ state }) => state).sort()).toEqual(["running", "waiting", "waiting"]);
      await shard.query("SELECT pg_advisory_unlock($1)", [GATE]);
      await finished;
    });

    it.runIf(isTestedOn(version))("names the statement that failed, and leaves those after it waiting", async () => {
      const { pipeline } = await filled({ general: { reshardingParallelIndexBuilds: 1 } });
      const { rows, finished } = watchedPost(pipeline);
      await expect(finished).rejects.toMatchObject({ code: "SCHEMA_STATEMENT_FAILED" });
      expect(rows().map(({ state }) => state).sort()).toEqual(["failed", "waiting", "waiting"]);
      expect(rows().find(({ state }) => state === "failed")?.message).toContain("maintenance_work_mem is");
    });

    it("analyzes every table at the end, and again only those with rows that have changed since", async () => {
      const { pipeline, shard } = await filled({ general: { reshardingMaintenanceWorkMem: MEMORY } });
      const analyzed = async (): Promise<Record<string, number>> =>
        Object.fromEntries((await shard.query<{ name: string; count: number }>("SELECT relname AS name, analyze_count::int4 AS count FROM pg_stat_all_tables WHERE schemaname = 'public' ORDER BY 1")).rows.map(({ name, count }) => [name, count]));
      const once = { items: 1, rooms: 1, parts: 1, parts_low: 1, parts_high: 1, summary: 1 };
      await watchedPost(pipeline).finished;
      expect(await analyzed()).toEqual(once);
      await watchedPost(pipeline).finished;
      expect(await analyzed()).toEqual(once);
      await shard.query("INSERT INTO parts VALUES (1000)");
      await shard.query("SELECT pg_stat_force_next_flush()");
      await watchedPost(pipeline).finished;
      expect(await analyzed()).toEqual({ ...once, parts: 2, parts_low: 2, parts_high: 2 });
    });

    it.runIf(isTestedOn(version))("prints in a dry run what is not carried, the memory, and what is analyzed", async () => {
      const { pipeline } = await open({ general: { reshardingMaintenanceWorkMem: MEMORY } });
      const notes: string[] = [];
      const report = (event: PipelineEvent): void => { if (event.type === "note") notes.push(event.message); };
      const sql = await schemaSyncSql({ pipeline, phase: "post", report });
      const [head] = sql.split("\n\n");
      expect(head!.split("\n")).toEqual(notes.map((note) => `-- ${note}`));
      expect(notes).toContain("Not carried, make by hand on the shards what they need: 2 large objects.");
      expect(sql).toContain(`\nSET maintenance_work_mem = '${MEMORY}';\n`);
      expect(sql.match(/^ANALYZE .*$/gm)).toEqual(['ANALYZE "public"."items";', 'ANALYZE "public"."parts";', 'ANALYZE "public"."rooms";', 'ANALYZE "public"."summary";']);
      expect(await schemaSyncSql({ pipeline: { ...pipeline, general: { ...pipeline.general, reshardingMaintenanceWorkMem: undefined } }, phase: "pre", report })).not.toContain("maintenance_work_mem =");
    });

    it.runIf(isTestedOn(version))("tells of the keys that a copy builds", async () => {
      const { pipeline } = await open({ stages: [{ type: "schema_sync", phase: "pre" }, { type: "copy" }], sharding: { tables: [hashed("id", "bigint")] } }, 2);
      const progress = new SchemaProgress();
      await runPipeline({ pipeline, report: (event) => { progress.apply(event, Date.now()); }, signal: new AbortController().signal });
      const keys = progress.rows().filter(({ phase, kind }) => phase === "key" && kind === "primary key");
      expect(keys.map(({ shard, state, object }) => [shard, state, object?.name]).sort()).toEqual([0, 1].flatMap((shard) => ["items_pkey", "parts_high_pkey", "parts_low_pkey", "parts_pkey", "rooms_pkey"].map((name) => [shard, "done", name])));
    });
  });
}

/** Waits for a condition; what fails or ends meanwhile ends the test. */
async function until(work: Promise<unknown>, condition: () => boolean | Promise<boolean>): Promise<void> {
  const ended = work.then(() => { throw new Error("it ended before"); });
  ended.catch(() => undefined);
  while (!(await condition())) await Promise.race([ended, moment()]);
}
