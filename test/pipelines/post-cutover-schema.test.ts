import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { runSchemaSync, schemaSyncSql, type SchemaSyncResult } from "../../src/pipelines/run-schema-sync.js";
import { readPublicationDefinition } from "../../src/postgres/publication-definition.js";
import { readReplicaIdentities } from "../../src/postgres/replica-identities.js";
import { databaseLike } from "../support/database-like.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, eventsOf, hashed, makePipeline, type PipelineParts, runToEnd, standardStages } from "../support/pipeline.js";
import { isTestedOn, servers } from "../support/servers.js";

const SCHEMA = `
  CREATE SCHEMA "We'ird \\ one"; CREATE SCHEMA whole;
  CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, CONSTRAINT "by ""name""" UNIQUE (name, id));
  ALTER TABLE users REPLICA IDENTITY USING INDEX "by ""name""";
  CREATE TABLE small (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id integer REFERENCES users);
  CREATE TABLE "We'ird \\ one"."Ta""ble" ("I d" bigint PRIMARY KEY, secret text, note text);
  CREATE TABLE whole.one (id bigint PRIMARY KEY);
  ALTER TABLE whole.one REPLICA IDENTITY FULL;
  CREATE TABLE whole.two (id bigint PRIMARY KEY);
  CREATE TABLE events (id integer, at integer, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (MINVALUE) TO (10);
  CREATE TABLE events_high PARTITION OF events DEFAULT;
  ALTER TABLE events_high REPLICA IDENTITY FULL;
  CREATE TABLE unpublished (id serial PRIMARY KEY);
  INSERT INTO users (name) VALUES ('a'), ('b');
  INSERT INTO small (user_id) VALUES (1);
`;
const ALL = "FOR ALL TABLES";
/** With a filter over a key that becomes bigint. Column lists and schemas exclude one another. */
const LISTS = `FOR TABLE users, small WHERE (id > 0), events, whole.one, "We'ird \\ one"."Ta""ble" ("I d", note)`;
const SCHEMAS = `FOR TABLE users, small WHERE (id > 0), events, "We'ird \\ one"."Ta""ble", TABLES IN SCHEMA whole`;
const BY_ROOTS = `${LISTS} WITH (publish_via_partition_root = true)`;
const DROP = 'DROP PUBLICATION "every thing"';
const create = (publication: string): string => `CREATE PUBLICATION "every thing" ${publication}`;

describe.each(servers)("the post-cutover phase, on $version", ({ version, options }) => {
  let cluster: Cluster;
  /** A source with SCHEMA and no publication, and a shard with what schema-sync makes of it. */
  let made: { readonly source: string; readonly shard: string };
  beforeAll(async () => {
    cluster = await startTestCluster(options);
    made = { source: await databaseLike(cluster, "template1", SCHEMA, create(ALL)), shard: await databaseLike(cluster, "template1") };
    const pipeline = between(made.source, [made.shard]);
    await sync(pipeline, "pre");
    await sync(pipeline, "post");
  });

  function between(from: string, to: readonly string[], parts: Partial<PipelineParts> = {}): Pipeline {
    const place = (name: string): ReturnType<typeof addressOf> => addressOf({ cluster, database: name });
    return makePipeline({ from: place(from), to: to.map(place), publication: "every thing", sharding: { tables: [hashed("id", "bigint", { name: "users" }), hashed("user_id", "bigint")] }, ...parts });
  }

  interface Setting {
    readonly pipeline: Pipeline;
    readonly source: pg.Client;
    readonly shards: readonly pg.Client[];
    readonly sourceName: string;
  }

  /** Source and two shards, all with this publication. */
  async function opened(publication: string, parts: Partial<PipelineParts> = {}): Promise<Setting> {
    const anew = publication === ALL ? [] : [DROP, create(publication)];
    const from = await databaseLike(cluster, made.source, ...anew);
    const to = [await databaseLike(cluster, made.shard, ...anew), await databaseLike(cluster, made.shard, ...anew)];
    return { pipeline: between(from, to, parts), source: await cluster.connect(from), shards: await Promise.all(to.map((name) => cluster.connect(name))), sourceName: from };
  }

  async function sync(pipeline: Pipeline, phase: "pre" | "post" | "cutover" | "post-cutover", ignoreErrors = false): Promise<SchemaSyncResult & { notes: string[] }> {
    const notes: string[] = [];
    const result = await runSchemaSync({ pipeline, phase, ignoreErrors, signal: new AbortController().signal, report: (event) => event.type === "note" && notes.push(event.message) });
    return { ...result, notes };
  }
  const back = (pipeline: Pipeline, ignoreErrors = false): ReturnType<typeof sync> => sync(pipeline, "post-cutover", ignoreErrors);

  async function dry(pipeline: Pipeline): Promise<{ sql: string; notes: string[] }> {
    const notes: string[] = [];
    const sql = await schemaSyncSql({ pipeline, phase: "post-cutover", report: (event) => event.type === "note" && notes.push(event.message) });
    return { sql, notes };
  }

  /** Publications and identities as they are. */
  const state = async (client: pg.Client): Promise<unknown> => {
    const definition = await readPublicationDefinition(client, "every thing");
    return [definition && { ...definition, tables: definition.tables.filter(({ schema }) => schema !== "reshard") }, await readReplicaIdentities(client)];
  };

  it.runIf(isTestedOn(version))("finds all there that the pre phase has brought", async () => {
    const to = [await databaseLike(cluster, made.shard), await databaseLike(cluster, made.shard)];
    const shards = await Promise.all(to.map((name) => cluster.connect(name)));
    for (const publication of [ALL, LISTS, SCHEMAS, BY_ROOTS]) {
      const pipeline = between(await databaseLike(cluster, made.source, DROP, create(publication)), to);
      if (publication !== ALL) {
        for (const shard of shards) await shard.query(DROP);
        await sync(pipeline, "pre");
      }
      const before = await Promise.all(shards.map(state));
      expect(await back(pipeline)).toMatchObject({ ran: 0, failed: 0 });
      expect(await Promise.all(shards.map(state))).toEqual(before);
      expect((await dry(pipeline)).sql).not.toMatch(/^[^-\n]/m);
    }
  });

  it.runIf(isTestedOn(version)).each([["all tables", ALL, 12], ["lists", LISTS, 10], ["schemas", SCHEMAS, 10], ["by their roots", BY_ROOTS, 10]])("makes a publication that is missing, as on the source, and prints exactly what it runs: %s", async (_, publication, statements) => {
    const { pipeline, shards } = await opened(publication);
    const before = await Promise.all(shards.map(state));
    for (const shard of shards) await shard.query(`${DROP}; ALTER TABLE users REPLICA IDENTITY DEFAULT; ALTER TABLE "We'ird \\ one"."Ta""ble" REPLICA IDENTITY NOTHING; ALTER TABLE events_high REPLICA IDENTITY DEFAULT; ALTER TABLE small REPLICA IDENTITY FULL; ALTER TABLE unpublished REPLICA IDENTITY FULL`);
    const shown = await dry(pipeline);
    // Nothing was changed by showing it.
    expect((await dry(pipeline)).sql).toBe(shown.sql);
    expect((await shards[0]!.query("SELECT FROM pg_publication")).rowCount).toBe(0);
    expect(await back(pipeline)).toMatchObject({ ran: statements, failed: 0 });
    await Promise.all(shards.map((shard) => shard.query("ALTER TABLE unpublished REPLICA IDENTITY DEFAULT")));
    expect(await Promise.all(shards.map(state))).toEqual(before);
    expect(await back(pipeline)).toMatchObject({ ran: 0, failed: 0 });
    // The printed SQL does the same on its shard.
    await shards[1]!.query(`${DROP}; ALTER TABLE users REPLICA IDENTITY DEFAULT`);
    const { sql } = await dry(pipeline);
    expect(sql.match(/^\\connect .*$/gm)).toHaveLength(1);
    await shards[1]!.query(sql.replace(/^\\connect .*$/m, ""));
    await shards[1]!.query("RESET ALL");
    expect(await Promise.all(shards.map(state))).toEqual(before);
  });

  it.runIf(isTestedOn(version))("completes a publication that leaves something out, and takes nothing from it", async () => {
    const { pipeline, shards: [first, second] } = await opened(SCHEMAS);
    const [before] = (await state(first!)) as [{ tables: { name: string }[] }];
    await first!.query(`${DROP}; ${create(`FOR TABLE unpublished, users (id), "We'ird \\ one"."Ta""ble" WHERE ("I d" > 5) WITH (publish = 'insert, truncate')`)}`);
    await second!.query(`ALTER PUBLICATION "every thing" DROP TABLES IN SCHEMA whole; ALTER PUBLICATION "every thing" DROP TABLE events; ALTER PUBLICATION "every thing" ADD TABLE whole.one, events_low, unpublished`);
    expect((await dry(pipeline)).sql).toContain(`-- post-cutover: publication every thing: it leaves out update, delete\nALTER PUBLICATION "every thing" SET (publish = 'insert, update, delete, truncate');`);
    expect(await back(pipeline)).toMatchObject({ ran: 6 + 2, failed: 0 });
    expect(await back(pipeline)).toMatchObject({ ran: 0, failed: 0 });
    const [definition] = (await state(first!)) as [{ listed: { name: string }[]; tables: { name: string }[] }];
    expect({ ...definition, listed: definition.listed.filter(({ name }) => name !== "unpublished"), tables: definition.tables.filter(({ name }) => name !== "unpublished") }).toEqual(before);
    expect(definition.listed.map(({ name }) => name)).toContain("unpublished");
    const [other] = (await state(second!)) as [typeof before];
    expect(other.tables.filter(({ name }) => name !== "unpublished")).toEqual(before.tables);
    // What one shard sends all have to send.
    await second!.query('ALTER PUBLICATION "every thing" DROP TABLE unpublished');
    await expect(back(pipeline)).rejects.toMatchObject({ code: "SOURCE_SHARDS_DIFFER", message: expect.stringMatching(/^The way back: .*unpublished is not published/) as string });
  });

  it.runIf(isTestedOn(version))("adds what a publication of single tables lacks where the source publishes all, and lets the source's leave out what it is allowed to", async () => {
    const { pipeline, source, shards } = await opened(ALL, { allowPartialPublication: true });
    await source.query(`ALTER PUBLICATION "every thing" SET (publish = 'insert, update, delete')`);
    for (const shard of shards) await shard.query(`DROP PUBLICATION "every thing"; CREATE PUBLICATION "every thing" FOR TABLE users WITH (publish = 'insert')`);
    await back(pipeline);
    for (const shard of shards) {
      const definition = (await readPublicationDefinition(shard, "every thing"))!;
      expect([...definition.kinds]).toEqual(["insert", "update", "delete"]);
      expect(definition.tables.map(({ name }) => name)).toEqual(["Ta\"ble", "events_high", "events_low", "small", "unpublished", "users", "one", "two"]);
    }
    expect(await back(pipeline)).toMatchObject({ ran: 0 });
    await back({ ...pipeline, allowPartialPublication: false });
    expect([...(await readPublicationDefinition(shards[0]!, "every thing"))!.kinds]).toEqual(["insert", "update", "delete", "truncate"]);
  });

  it.runIf(isTestedOn(version))("tells of keys that grow beyond the source's, and stops where they have", async () => {
    const { pipeline, source, shards: [first, second] } = await opened(ALL);
    expect((await back(pipeline)).notes).toEqual(["Not looked at for how large they are, for no index leads to them: events.at; small.user_id."]);
    await source.query("SELECT setval('users_id_seq', 1800000000)");
    await second!.query("INSERT INTO events VALUES (-2000000000, 5)");
    const soon = "These keys have used most of what fits into the source, and beyond it there is no way back: events.id (integer) holds -2000000000; users.id (integer) gets 1800000001 next from users_id_seq.";
    expect((await back(pipeline)).notes).toContain(soon);
    expect((await dry(pipeline)).notes).toContain(soon);
    // Told before the cutover too, by what the keys get next after it.
    const cutover: string[] = [];
    const sql = await schemaSyncSql({ pipeline, phase: "cutover", report: (event) => event.type === "note" && cutover.push(event.message) });
    expect(cutover.join("\n")).toMatch(/events\.id \(integer\) holds -2000000000; users\.id \(integer\) gets 1800001\d\d\d next from users_id_seq\./);
    for (const note of cutover) expect(sql).toContain(`-- ${note}\n`);
    await first!.query("SELECT setval('small_id_seq', 32767)");
    await second!.query("INSERT INTO users (id, name) VALUES (2147483648, 'large'); DROP PUBLICATION \"every thing\"");
    await expect(back(pipeline)).rejects.toMatchObject({ code: "KEYS_TOO_LARGE", message: "Keys of the shards do not fit into the source any more: small.id (smallint) gets 32768 next from small_id_seq; users.id (integer) holds 2147483648." });
    expect((await second!.query("SELECT FROM pg_publication")).rowCount).toBe(0);
    expect((await dry(pipeline)).notes).toContain("These keys do not fit into the source any more, so that there is no way back: small.id (smallint) gets 32768 next from small_id_seq; users.id (integer) holds 2147483648.");
    const ignored = await back(pipeline, true);
    expect(ignored.ran).toBe(1);
    expect(ignored.notes.join()).toContain("users.id (integer) holds 2147483648");
    await source.query("ALTER TABLE small DROP CONSTRAINT small_user_id_fkey; ALTER TABLE users ALTER id TYPE bigint; ALTER TABLE small ALTER id TYPE integer, ALTER user_id TYPE bigint");
    expect((await back(pipeline)).notes.join()).not.toContain("users.id");
  });

  it("is a stage of a pipeline, after the cutover's, by the same code as the command; both run every time", async () => {
    const source = await databaseLike(cluster, "template1", SCHEMA, create(ALL));
    const pipeline = between(source, [await databaseLike(cluster, "template1"), await databaseLike(cluster, "template1")], {
      name: "staged",
      stages: [...standardStages, { type: "schema_sync", phase: "cutover" }, { type: "schema_sync", phase: "post-cutover" }],
    });
    const shards = await Promise.all(pipeline.to.shards.map(({ primary }) => cluster.connect(primary.database)));
    const first = await runToEnd(pipeline, {
      // What the pre phase has brought, somebody takes away.
      beforeStage: async (stage) => {
        if (stage.type === "schema_sync" && stage.phase === "post-cutover") for (const shard of shards) await shard.query(DROP);
      },
    });
    expect(eventsOf(first.events, "stage-finished").map(({ stage }) => stage).slice(-2)).toEqual(["schema_sync:cutover", "schema_sync:post-cutover"]);
    expect(eventsOf(first.events, "schema-statement").filter(({ phase, state }) => phase === "post-cutover" && state === "done").map(({ kind }) => kind)).toEqual(["publication", "publication"]);
    expect(await dry(pipeline)).toMatchObject({ sql: expect.not.stringContaining("\\connect") as string });
    expect(await sync(pipeline, "cutover")).toMatchObject({ ran: 0 });
    // A rehearsal: the source goes on, and so does what was moved past it.
    const client = await cluster.connect(source);
    await client.query("SELECT setval('users_id_seq', 5000)");
    const again = await runToEnd(pipeline);
    expect(eventsOf(again.events, "stage-finished").flatMap(({ stage, skipped }) => (skipped === true ? [stage] : []))).toEqual(["schema_sync:pre", "copy", "schema_sync:post"]);
    expect(eventsOf(again.events, "schema-statement").filter(({ state }) => state === "done").map(({ phase, object }) => [phase, object])).toEqual([["cutover", "users_id_seq"], ["cutover", "users_id_seq"]]);
    for (const shard of shards) expect((await shard.query<{ late: boolean }>("SELECT last_value > 6000 AS late FROM users_id_seq")).rows).toEqual([{ late: true }]);
  });

  it("checks that shards can be streamed from and the source written to", async () => {
    const { pipeline, source, shards, sourceName } = await opened(ALL);
    await source.query("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN REPLICATION; GRANT USAGE ON SCHEMA whole, \"We'ird \\ one\" TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public, whole, \"We'ird \\ one\" TO reader; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader; ALTER ROLE reader PASSWORD 'secret'");
    const asReader: Pipeline = { ...pipeline, from: { ...pipeline.from, shards: pipeline.from.shards.map((shard) => ({ ...shard, primary: { ...shard.primary, user: "reader", password: "secret" } })) } };
    // The foreign keys' own triggers would fire.
    await expect(back(asReader)).rejects.toMatchObject({ code: "REPLICA_ROLE_REFUSED" });
    await source.query("ALTER TABLE small DROP CONSTRAINT small_user_id_fkey");
    await expect(back(asReader)).rejects.toMatchObject({ code: "PRIVILEGE_MISSING", message: expect.stringContaining('may not make the schema "reshard"') as string });
    await source.query(`GRANT CREATE ON DATABASE "${sourceName}" TO reader`);
    await expect(back(asReader)).rejects.toMatchObject({ code: "PRIVILEGE_MISSING", message: expect.stringContaining('may not write to "We\'ird \\ one"."Ta""ble", "public"."events_high"') as string });
    await source.query("GRANT ALL ON ALL TABLES IN SCHEMA public, whole, \"We'ird \\ one\" TO reader");
    await source.query("CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER loud BEFORE INSERT ON whole.two FOR EACH ROW EXECUTE FUNCTION quiet()");
    await expect(back(asReader)).rejects.toMatchObject({ code: "REPLICA_ROLE_REFUSED" });
    await source.query("ALTER TABLE whole.two ENABLE ALWAYS TRIGGER loud");
    expect((await back(pipeline)).notes.join()).toMatch(/these triggers fire for what comes back too .*: loud of whole\.two\./);
    await shards[1]!.query("ALTER TABLE users DROP COLUMN name");
    await expect(back(pipeline)).rejects.toMatchObject({ code: expect.stringMatching(/SCHEMA_STATEMENT_FAILED|SOURCE_SHARDS_DIFFER|REPLICA_IDENTITY_MISSING/) as string });
    await shards[1]!.query("DROP TABLE whole.one");
    await expect(back(pipeline)).rejects.toMatchObject({ code: "SCHEMA_MISSING", message: expect.stringContaining("does not have whole.one") as string });
  });
});
