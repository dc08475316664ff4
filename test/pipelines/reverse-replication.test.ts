import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Pipeline, ShardingRules } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { makeSlots } from "../../src/pipelines/make-slots.js";
import { reversePipeline } from "../../src/pipelines/reverse-pipeline.js";
import { runSchemaSync } from "../../src/pipelines/run-schema-sync.js";
import type { ValueFormat } from "../../src/postgres/value-format.js";
import { startTestCluster } from "../support/cluster.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { addressOf, eventsOf, hashed, makePipeline, type Place, type PipelineParts, rowStages, type Run, runToEnd } from "../support/pipeline.js";
import { servers } from "../support/servers.js";
import { newShards } from "../support/shop.js";

/* After the cutover the shards' changes go back into the database that was left: its keys are integers, its triggers are on. */

const SCHEMA = `
  CREATE TABLE owners (id serial PRIMARY KEY, name text, low text GENERATED ALWAYS AS (lower(name)) STORED);
  CREATE TABLE kinds (id smallint PRIMARY KEY, title text);
  CREATE TABLE accounts (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner integer NOT NULL REFERENCES owners ON DELETE CASCADE, small smallint, double integer GENERATED ALWAYS AS (small * 2) STORED);
  -- The identity is not what names a row.
  CREATE TABLE coded (code text PRIMARY KEY, owner integer REFERENCES owners ON DELETE CASCADE, number bigint GENERATED ALWAYS AS IDENTITY, note text);
  CREATE TABLE orders (owner integer REFERENCES owners ON DELETE CASCADE, number smallint, kind smallint REFERENCES kinds, note text, body text, PRIMARY KEY (owner, number));
  CREATE TABLE whole (id integer PRIMARY KEY, owner integer NOT NULL REFERENCES owners ON DELETE CASCADE, body text);
  ALTER TABLE whole REPLICA IDENTITY FULL;
  CREATE TABLE lines (owner integer REFERENCES owners ON DELETE CASCADE, line text, at timestamptz);
  ALTER TABLE lines REPLICA IDENTITY FULL;
  CREATE TABLE events (id integer, owner integer, at integer, body text, PRIMARY KEY (id, owner, at)) PARTITION BY RANGE (at);
  CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (MINVALUE) TO (100);
  CREATE TABLE events_high PARTITION OF events DEFAULT;
  CREATE TABLE emptied (id integer PRIMARY KEY, owner integer);
  CREATE TABLE audit (id bigserial PRIMARY KEY, owner integer, what text);
  CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.audit (owner, what) VALUES (COALESCE(NEW.id, OLD.id), TG_OP);
    RETURN COALESCE(NEW, OLD);
  END $$;
  CREATE TRIGGER audited BEFORE INSERT OR UPDATE OR DELETE ON owners FOR EACH ROW EXECUTE FUNCTION audited();
  ALTER TABLE orders ALTER body SET STORAGE EXTERNAL;
  ALTER TABLE whole ALTER body SET STORAGE EXTERNAL;
  CREATE PUBLICATION everything FOR ALL TABLES;
`;

const large = (seed: string): string => `(SELECT string_agg(md5((${seed})::text || part), '') FROM generate_series(1, 100) part)`;

/** Per owner, on the shard of the source where it belongs. */
const ROWS = `
  INSERT INTO accounts (owner, small) SELECT id, id % 100 FROM owners;
  INSERT INTO coded (code, owner, note) SELECT 'c' || id, id, 'note' FROM owners;
  INSERT INTO orders SELECT id, n, -32768, 'note', ${large("id")} FROM owners, generate_series(-2, 2) n;
  INSERT INTO whole SELECT -id, id, ${large("id")} FROM owners;
  INSERT INTO lines SELECT id, 'line ' || n % 2, '2024-01-01' FROM owners, generate_series(1, 3) n;
  INSERT INTO events SELECT id, id, n, 'body' FROM owners, generate_series(90, 110, 10) n;
  INSERT INTO emptied SELECT id, id FROM owners;
`;

/** What applications do on each of the new shards. */
const WRITES = [
  "INSERT INTO owners (name) SELECT 'New ' || i FROM generate_series(1, 30) i",
  `INSERT INTO accounts (owner, small) SELECT id, 7 FROM owners WHERE name LIKE 'New%'; UPDATE accounts SET small = -1 WHERE owner % 3 = 0; UPDATE accounts SET id = DEFAULT WHERE owner % 5 = 0; DELETE FROM accounts WHERE owner % 7 = 0`,
  `INSERT INTO coded (code, owner) SELECT 'n' || id, id FROM owners; UPDATE coded SET number = DEFAULT WHERE owner % 4 = 0; UPDATE coded SET code = 'k' || code, note = NULL WHERE owner % 4 = 1; DELETE FROM coded WHERE owner % 9 = 0`,
  `INSERT INTO orders SELECT id, 32767, NULL, 'new', ${large("id + 1")} FROM owners; UPDATE orders SET note = 'body as it was' WHERE number = 0; UPDATE orders SET number = 100 + number WHERE number IN (1, 2); UPDATE orders SET body = NULL, kind = 5 WHERE number = -1`,
  `UPDATE whole SET id = id - 100000 WHERE owner % 2 = 0; UPDATE whole SET body = 'short' WHERE owner % 3 = 0; DELETE FROM whole WHERE owner % 11 = 0; INSERT INTO whole SELECT -2147483648 + id, id, ${large("id")} FROM owners WHERE name LIKE 'New%'`,
  `UPDATE lines SET line = 'changed' WHERE owner % 2 = 0 AND line = 'line 1'; DELETE FROM lines WHERE owner % 5 = 0; INSERT INTO lines SELECT id, 'new', now() FROM owners, generate_series(1, 2)`,
  "UPDATE events SET at = at + 15 WHERE owner % 2 = 0; UPDATE events SET body = 'new' WHERE owner % 3 = 0; DELETE FROM events WHERE owner % 13 = 0",
  "TRUNCATE emptied; INSERT INTO emptied SELECT id, id FROM owners",
  "UPDATE owners SET name = upper(name) WHERE id % 2 = 0; DELETE FROM owners WHERE id % 10 = 3",
];

/** What goes to all shards alike. */
const EVERYWHERE = "INSERT INTO kinds VALUES (5, 'five'); UPDATE kinds SET title = 'least' WHERE id = -32768";

const byOwner = { kind: "hash", column: "owner", type: "bigint" } as const;
const tables: readonly PlacedTable[] = [
  ...["accounts", "coded", "orders", "whole", "lines", "events_low", "events_high", "emptied", "audit"].map((name) => ({ schema: "public", name, placement: byOwner })),
  { schema: "public", name: "owners", placement: { kind: "hash", column: "id", type: "bigint" } },
  { schema: "public", name: "kinds", placement: { kind: "everywhere" } },
];
const sharding: Partial<ShardingRules> = { tables: [hashed("id", "bigint", { name: "owners" }), hashed("owner", "bigint")] };

/** Nothing that comes back may set it off. */
const TRAPS = `
  CREATE FUNCTION sprung() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a trigger of % fired', TG_RELID::regclass; END $$;
  DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
      EXECUTE format('CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION sprung(); CREATE TRIGGER statement_trap BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %1$s EXECUTE FUNCTION sprung()', t);
    END LOOP;
  END $$`;

describe.each(servers)("changes of the shards, on $version", ({ version, options }) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startTestCluster({ ...options, settings: { max_connections: "200", max_replication_slots: "40", max_wal_senders: "40" } });
  });

  async function execute(place: Place, ...statements: readonly string[]): Promise<pg.QueryResult> {
    const client = await place.cluster.connect(place.database);
    try {
      let result: pg.QueryResult | undefined;
      for (const statement of statements) result = await client.query(statement);
      return result!;
    } finally {
      await client.end();
    }
  }

  interface Moved {
    readonly old: readonly Place[];
    readonly shards: readonly Place[];
    readonly forward: Pipeline;
    readonly reverse: Pipeline;
  }

  /** Moved, switched, and ready for the way back. */
  async function moved(name: string, from: number, to: number, parts: Partial<PipelineParts> = {}): Promise<Moved> {
    const old = await newShards(cluster, `${name}_old`, from);
    const shards = await newShards(cluster, `${name}_new`, to);
    for (const place of old) await execute(place, SCHEMA);
    await Promise.all(old.map(async (place, shard) => {
      await execute(place, `ALTER SEQUENCE audit_id_seq RESTART WITH ${1 + 1000 * shard}`, "CREATE TABLE parts (key bigint) PARTITION BY HASH (key)", "INSERT INTO kinds VALUES (-32768, 'first'), (32767, 'last')",
        `INSERT INTO owners (id, name) SELECT i, 'Owner ' || i FROM generate_series(1, 60) i WHERE satisfies_hash_partition('parts'::regclass, ${from}, ${shard}, i::bigint)`, "DROP TABLE parts",
        ...["accounts_id_seq", "coded_number_seq"].map((sequence) => `ALTER SEQUENCE ${sequence} RESTART WITH ${shard + 1} INCREMENT BY ${from}`), ROWS);
    }));
    const forward = makePipeline({ from: old.map((place) => addressOf(place)), fromSharding: sharding, to: shards.map((place) => addressOf(place)), publication: "everything", sharding, name: `${name}_new`, ...parts });
    expect((await runToEnd(forward)).sound).toBe(true);
    for (const phase of ["cutover"] as const) await runSchemaSync({ pipeline: forward, phase, report: () => undefined, signal: new AbortController().signal });
    const reverse = reversePipeline(forward);
    await makeSlots({ pipeline: reverse, report: () => undefined, signal: new AbortController().signal });
    for (const place of old) await execute(place, TRAPS);
    return { old, shards, forward, reverse };
  }

  const back = async (reverse: Pipeline): Promise<Run> => await runToEnd({ ...reverse, stages: [{ type: "replicate", until: "caught-up" }, { type: "verify" }] });

  it.each<[number, number, ValueFormat]>(version === 18 ? [[1, 3, "binary"], [2, 3, "binary"], [1, 2, "text"]] : [[1, 2, "binary"]])("to %i shards that were left, from %i new ones, in %s", async (from, to, format) => {
    const { old, shards, reverse } = await moved(`back_${from}_${to}_${format}`, from, to, { general: { reshardingCopyFormat: format } });
    await Promise.all(shards.map(async (place) => {
      await execute(place, EVERYWHERE, ...WRITES);
    }));
    // A row goes from shard to shard, under its key.
    await execute(shards[0]!, "DELETE FROM whole WHERE id = 777; INSERT INTO whole SELECT 777, min(id), 'first here' FROM owners");
    await execute(shards[0]!, "DELETE FROM whole WHERE id = 777");
    await execute(shards[1]!, "INSERT INTO whole SELECT 777, min(id), 'then there' FROM owners");
    // What a foreign key would refuse.
    await execute(shards[1]!, "SET session_replication_role = replica", "INSERT INTO lines SELECT min(id), 'nobody''s', NULL FROM owners", "DELETE FROM owners WHERE id = (SELECT min(id) FROM owners)", "UPDATE orders SET note = 'nobody''s' WHERE owner NOT IN (SELECT id FROM owners)");
    // Our own bookkeeping is published too, and nobody's concern.
    for (const place of shards) await execute(place, "UPDATE reshard.stream_progress SET applied_at = now()");
    const run = await back(reverse);
    expect(eventsOf(run.events, "note").filter(({ message }) => message.includes("reshard"))).toEqual([]);
    expect(run.verdicts.filter(({ equal, misplaced }) => !equal || misplaced > 0)).toEqual([]);
    expect(run.verdicts.length).toBeGreaterThan(9);
    expect(await differences(shards, old, tables)).toEqual([]);
    const { rows } = await execute(old[0]!, "SELECT count(*) FILTER (WHERE number = 32767) AS new, (SELECT count(*)::int4 FROM audit WHERE what = 'DELETE') > 0 AS deleted FROM orders");
    expect(rows).toEqual([{ new: expect.not.stringMatching(/^0$/) as string, deleted: true }]);
  });

  if (version !== 18) return;

  it.each<[ValueFormat, number]>([["binary", 1], ["binary", 40], ["text", 1]])("stop where a key does not fit any more (%s, %i rows), and go on when the column is bigint", async (format, rows) => {
    const { old, shards, reverse } = await moved(`large_${format}_${rows}`, 1, 2, { general: { reshardingCopyFormat: format } });
    await execute(shards[0]!, "INSERT INTO orders (owner, number) SELECT min(id), 1000 FROM owners WHERE id > 5");
    await execute(shards[0]!, `INSERT INTO whole SELECT i, (SELECT min(id) FROM owners), 'large' FROM generate_series(2147483647, ${2147483647 + rows}) i`);
    await expect(back(reverse)).rejects.toMatchObject({ code: "VALUE_TOO_LARGE", message: "whole.id is integer on the destination and cannot hold 2147483648, which its source has as bigint.", place: { table: "whole" } });
    await execute(shards[0]!, "UPDATE orders SET number = 40000 WHERE number = 1000");
    await execute(old[0]!, "ALTER TABLE whole ALTER id TYPE bigint");
    await expect(back(reverse)).rejects.toMatchObject({ code: "VALUE_TOO_LARGE", message: "orders.number is smallint on the destination and cannot hold 40000, which its source has as bigint." });
    await execute(old[0]!, "ALTER TABLE orders ALTER number TYPE bigint");
    expect((await back(reverse)).sound).toBe(true);
    expect(await differences(shards, old, tables)).toEqual([]);
  });

  it("go back into tables with other columns' order and sizes", async () => {
    const [old] = await newShards(cluster, "order_old", 1);
    const shards = await newShards(cluster, "order_new", 2);
    await execute(old!, "CREATE TABLE t (id integer PRIMARY KEY, small smallint, owner integer, doc text, twice bigint GENERATED ALWAYS AS (2 * id) STORED); INSERT INTO t SELECT i, -i, i, 'doc' FROM generate_series(-50, 50) i; CREATE PUBLICATION everything FOR ALL TABLES");
    for (const shard of shards) await execute(shard, "CREATE TABLE t (doc text, owner bigint, small bigint, own text DEFAULT 'own', id bigint PRIMARY KEY); CREATE PUBLICATION everything FOR TABLE t (id, small, owner, doc)");
    const forward = makePipeline({ from: addressOf(old!), to: shards.map((place) => addressOf(place)), publication: "everything", sharding: { tables: [hashed("owner", "bigint")] }, name: "order_new", stages: rowStages });
    expect((await runToEnd(forward)).sound).toBe(true);
    const reverse = reversePipeline(forward);
    await makeSlots({ pipeline: reverse, report: () => undefined, signal: new AbortController().signal });
    for (const shard of shards) await execute(shard, "UPDATE t SET small = NULL WHERE id > 40; UPDATE t SET id = id + 1000, doc = 'new' WHERE id < 0; DELETE FROM t WHERE id BETWEEN 1 AND 9");
    await execute(shards[0]!, "INSERT INTO t (id, owner, small) SELECT 2000 + i, (SELECT min(owner) FROM t), -32768 FROM generate_series(1, 30) i");
    expect((await back(reverse)).sound).toBe(true);
    expect(await differences(shards, [old!], [{ schema: "public", name: "t", placement: byOwner, columns: ["id", "small", "owner", "doc"] }])).toEqual([]);
    expect((await execute(old!, "SELECT count(*)::int4 AS wrong FROM t WHERE twice <> 2 * id")).rows).toEqual([{ wrong: 0 }]);
  });

  it("are not taken from a slot that is gone, though nothing came through it yet", async () => {
    const { shards, reverse } = await moved("gone", 1, 2);
    await execute(shards[1]!, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()");
    await expect(back(reverse)).rejects.toMatchObject({ code: "SLOT_MISSING" });
  });
});
