import fc from "fast-check";
import type pg from "pg";
import { describe, expect, it } from "vitest";
import type { ServerAddress } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { dumpSchema } from "../../src/pg-dump/dump-schema.js";
import { connect } from "../../src/postgres/connection.js";
import { applyKeys, keyUnitOf } from "../../src/schema/apply-keys.js";
import { applySchema, type ApplyOptions } from "../../src/schema/apply-schema.js";
import { planSchema } from "../../src/schema/plan-schema.js";
import { renderPlan } from "../../src/schema/render-plan.js";
import { statementsOf } from "../../src/schema/schema-plan.js";
import { reportNotes, type StatementEvent } from "../../src/schema/schema-report.js";
import { prepareSession } from "../../src/schema/session-settings.js";
import { splitStatements } from "../../src/schema/split-statements.js";
import { startTestCluster } from "../support/cluster.js";
import { isTestedOn, servers } from "../support/servers.js";
import { fixtureRoles, fixtureSchema } from "./fixture-schema.js";

const PHASES = ["pre", "key", "post"] as const;
async function session(shard: ServerAddress): Promise<pg.Client> {
  const client = await connect(shard, { applicationName: "pg-reshard schema" });
  await prepareSession(client);
  return client;
}

/** What the phases leave out on purpose; everything else of a dump must come out of the destination's dump again. */
const NOT_CARRIED = /SUBSCRIPTION elsewhere|SERVER far_away/;

function statements(sql: string): string[] {
  return splitStatements(sql).filter(({ sql: text, meta }) => !meta && !NOT_CARRIED.test(text)).map(({ sql: text }) => text).sort();
}

async function open(cluster: Cluster): Promise<{ source: ServerAddress; shard: () => Promise<ServerAddress>; at: (address: ServerAddress) => Promise<pg.Client> }> {
  const address = (database: string): ServerAddress => ({ host: cluster.host, port: cluster.port, database, user: cluster.user, password: cluster.password, sslmode: "disable" });
  await cluster.createDatabase("source");
  const client = await cluster.connect("source");
  await client.query(fixtureRoles);
  await client.query(fixtureSchema);
  await client.end();
  let shards = 0;
  return {
    source: address("source"),
    shard: async () => {
      const name = `shard ${shards++}`;
      await cluster.createDatabase(name);
      return address(name);
    },
    at: (to) => cluster.connect(to.database),
  };
}

for (const { version, options } of servers) {
  describe(`every kind of object, on PostgreSQL ${version}`, async () => {
    const { source, shard, at } = await open(await startTestCluster(options));
    const dumped = (await dumpSchema({ server: source })).sql;
    const plan = await planSchema(dumped);
    const dump = async (server: ServerAddress): Promise<string[]> => statements((await dumpSchema({ server })).sql);

    it("arrives complete on all shards, and a second run of each phase changes nothing", async () => {
      const shards = [await shard(), await shard()];
      for (const phase of PHASES) {
        const first = await applySchema(plan, phase, shards, { session });
        expect(first.shards.map(({ failed, missingRoles }) => [failed.length, missingRoles.size])).toEqual([[0, 0], [0, 0]]);
        const before = await Promise.all(shards.map(files));
        const ran: StatementEvent[] = [];
        const second = await applySchema(plan, phase, shards, { session, onStatement: (event) => event.state === "ran" && ran.push(event) });
        expect(await Promise.all(shards.map(files))).toEqual(before);
        expect(ran.filter(({ statement }) => statement.presence !== undefined && statement.presence.type !== "by error")).toEqual([]);
        expect(second.shards.map((report) => report.ran + report.present)).toEqual([statementsOf(plan, phase).length, statementsOf(plan, phase).length]);
      }
      for (const one of shards) expect(await dump(one)).toEqual(statements(dumped));
      // Nothing is left half done: indexes valid, materialized views filled.
      const client = await at(shards[0]!);
      expect((await client.query("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid OR NOT indisready")).rows).toEqual([]);
      expect((await client.query("SELECT oid::regclass FROM pg_class WHERE NOT relispopulated")).rows).toEqual([]);
    });

    /** Which files relations lie in: any rebuild or rewrite changes it. */
    async function files(one: ServerAddress): Promise<unknown[]> {
      const client = await at(one);
      try {
        return (await client.query<Record<string, unknown>>("SELECT oid, relname, relfilenode FROM pg_class WHERE oid >= 16384 ORDER BY oid")).rows;
      } finally {
        await client.end();
      }
    }

    it("is what the rendered plan makes too", async () => {
      const one = await shard();
      const client = await at(one);
      await client.query(renderPlan(plan, ["pre", "key", "post", "skip"]));
      await client.end();
      expect(await dump(one)).toEqual(statements(dumped));
    });

    it.runIf(isTestedOn(version))("is completed by a run after one that died anywhere", async () => {
      const total = PHASES.reduce((sum, phase) => sum + statementsOf(plan, phase).length, 0);
      await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: total - 1 }), { minLength: 1, maxLength: 3 }), fc.boolean(), async (deaths, cut) => {
        const one = await shard();
        for (const death of deaths) await diesAt(one, death, cut);
        for (const phase of PHASES) await applySchema(plan, phase, [one], { session });
        expect(await dump(one)).toEqual(statements(dumped));
      }), { numRuns: 6 });
    });

    /** Runs until the given number of statements have begun, then loses its sessions or stops. */
    async function diesAt(one: ServerAddress, death: number, cut: boolean): Promise<void> {
      const clients: pg.Client[] = [];
      const options: ApplyOptions = {
        session: async (to) => {
          const client = await session(to);
          clients.push(client);
          return client;
        },
        onStatement: ({ state }) => {
          if (state !== "running" || ++begun !== death) return;
          if (!cut) throw new Error("died");
          for (const client of clients) client.connection.stream.destroy();
        },
      };
      let begun = 0;
      const run = async (): Promise<void> => {
        for (const phase of PHASES) await applySchema(plan, phase, [one], options);
      };
      await expect(run()).rejects.toThrow(cut ? /terminated|closed|not queryable|destroyed/i : "died");
    }

    it.runIf(isTestedOn(version))("builds the keys table by table, also where sessions do it at once", async () => {
      const one = await shard();
      await applySchema(plan, "pre", [one], { session });
      const clients = [await session(one), await session(one)] as const;
      const leaf = { schema: "select", name: "events_2024_1" };
      const key = async (table: string): Promise<unknown> => (await clients[0].query("SELECT indisvalid AS valid FROM pg_index WHERE indrelid = to_regclass($1) AND indisprimary", [table])).rows;
      expect(keyUnitOf(plan, leaf).root).toEqual({ schema: "public", name: "events" });
      await Promise.all(clients.map((client) => applyKeys(plan, leaf, client, { shard: one })));
      expect(await key("public.events")).toEqual([{ valid: true }]);
      expect(await key('"select".events_2024_1')).toEqual([{ valid: true }]);
      expect(await key("public.customers")).toEqual([]);
      await applyKeys(plan, { schema: "public", name: "logs_1" }, clients[0], { shard: one });
      expect((await clients[0].query("SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE indisreplident AND indisvalid ORDER BY 1")).rows).toEqual([{ relname: "logs" }, { relname: "logs_2" }]);
      await expect(applyKeys(plan, { schema: "public", name: "nowhere" }, clients[0], { shard: one })).rejects.toMatchObject({ code: "TABLE_NOT_IN_SCHEMA" });
      await Promise.all(clients.map((client) => client.end()));
      for (const phase of PHASES) await applySchema(plan, phase, [one], { session });
      expect(await dump(one)).toEqual(statements(dumped));
    });
  });
}

describe("what goes wrong", async () => {
  const cluster = await startTestCluster();
  let databases = 0;
  const shard = async (setup = ""): Promise<ServerAddress> => {
    const database = `shard ${databases++}`;
    await cluster.createDatabase(database);
    const client = await cluster.connect(database);
    await client.query(setup);
    await client.end();
    return { host: cluster.host, port: cluster.port, database, user: cluster.user, password: cluster.password, sslmode: "disable" };
  };

  it("stops at the first refused statement, says where, and goes on once it is put right", async () => {
    const plan = await planSchema(`CREATE TABLE public.a (id integer); CREATE TABLE public.b (id integer, "a id" integer);
      CREATE INDEX b_index ON public.b (id);
      ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (id);
      ALTER TABLE ONLY public.b ADD CONSTRAINT "b to a" FOREIGN KEY ("a id") REFERENCES public.a(id);
      CREATE RULE last AS ON DELETE TO public.b DO INSTEAD NOTHING;`);
    const [good, bad] = [await shard(), await shard()];
    await applySchema(plan, "pre", [good, bad], { session });
    await applySchema(plan, "key", [good, bad], { session });
    const client = await cluster.connect(bad.database);
    await client.query('INSERT INTO public.b VALUES (1, 7)');
    await expect(applySchema(plan, "post", [good, bad], { session })).rejects.toMatchObject({
      code: "SCHEMA_STATEMENT_FAILED",
      kind: "operator",
      place: { server: `127.0.0.1:${cluster.port}/${bad.database}`, table: "b" },
      message: expect.stringMatching(/foreign key b to a .*violates foreign key constraint.*Key \(a id\)=\(7\)[^]*ADD CONSTRAINT "b to a"/) as string,
    });
    expect((await client.query("SELECT FROM pg_rewrite WHERE rulename = 'last'")).rowCount).toBe(0);

    const ignoring = await applySchema(plan, "post", [good, bad], { session, ignoreErrors: true });
    expect(ignoring.shards.map(({ failed }) => failed.map(({ statement }) => statement.kind))).toEqual([[], ["foreign key"]]);
    expect(reportNotes(ignoring)).toEqual([expect.stringContaining("foreign key failed") as string]);
    expect((await client.query("SELECT FROM pg_rewrite WHERE rulename = 'last'")).rowCount).toBe(1);

    await client.query("INSERT INTO public.a VALUES (7)");
    const repaired = await applySchema(plan, "post", [good, bad], { session });
    expect(repaired.shards.map(({ ran, present }) => [ran, present])).toEqual([[0, 3], [1, 2]]);
  });

  it("drops an index that a failed build left invalid, and builds it anew", async () => {
    const plan = await planSchema('CREATE TABLE public."T" (id integer); CREATE UNIQUE INDEX "once ä" ON public."T" USING btree (id);');
    const one = await shard('CREATE TABLE "T" (id integer); INSERT INTO "T" VALUES (1), (1)');
    const client = await cluster.connect(one.database);
    await expect(client.query('CREATE UNIQUE INDEX CONCURRENTLY "once ä" ON "T" (id)')).rejects.toThrow("could not create unique index");
    await client.query('DELETE FROM "T"');
    const { shards } = await applySchema(plan, "post", [one], { session });
    expect(shards[0]).toMatchObject({ ran: 1, present: 0 });
    expect((await client.query("SELECT indisvalid FROM pg_index WHERE indexrelid = '\"once ä\"'::regclass")).rows).toEqual([{ indisvalid: true }]);
  });

  it("waits for a session of a killed run that is still at the same index, and takes what it made", async () => {
    const plan = await planSchema("CREATE TABLE public.t (id integer); ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id); CREATE INDEX slow ON public.t USING btree (id);");
    const one = await shard("CREATE TABLE t (id integer)");
    const [left, watcher] = [await cluster.connect(one.database), await cluster.connect(one.database)];
    for (const [phase, sql] of [["key", "ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY (id)"], ["post", "CREATE INDEX slow ON t (id)"]] as const) {
      await left.query(`BEGIN; ${sql}`);
      const report = applySchema(plan, phase, [one], { session });
      let waiting = 0;
      for (let looks = 0; waiting === 0 && looks < 10_000; looks++) {
        waiting = (await watcher.query("SELECT FROM pg_stat_activity WHERE application_name = 'pg-reshard schema' AND wait_event_type = 'Lock'")).rowCount ?? 0;
      }
      expect(waiting).toBe(1);
      await left.query("COMMIT");
      expect((await report).shards[0]).toMatchObject({ ran: 0, present: 1 });
    }
  });

  it("leaves out what names a role that the shard does not have, and says so once per role", async () => {
    const plan = await planSchema(`CREATE TABLE public.t (id integer);
      ALTER TABLE public.t OWNER TO "no one"; GRANT SELECT ON TABLE public.t TO "no one"; GRANT SELECT ON TABLE public.t TO PUBLIC;
      CREATE POLICY p ON public.t TO "no one", postgres USING (true);`);
    const one = await shard();
    const report = await applySchema(plan, "pre", [one], { session });
    expect(report.shards[0]).toMatchObject({ ran: 2, present: 0, failed: [] });
    expect(reportNotes(report)).toEqual([expect.stringMatching(/no role "no one": 3 statements left out \(owner, grant, policy\)/) as string]);
  });

  it("treats what the server calls a duplicate as there, for kinds without a look-up, and for no other", async () => {
    const plan = await planSchema("CREATE COLLATION public.c (provider = libc, locale = 'C'); CREATE TABLE public.t (id integer);");
    const one = await shard("CREATE COLLATION c (provider = libc, locale = 'C'); CREATE TYPE t AS ENUM ()");
    await expect(applySchema(plan, "pre", [one], { session })).rejects.toMatchObject({ code: "SCHEMA_STATEMENT_FAILED", message: expect.stringContaining('type "t" already exists') as string });
  });
});
