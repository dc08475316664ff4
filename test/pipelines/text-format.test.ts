import type pg from "pg";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { General, ShardedTable } from "../../src/config/types.js";
import { startWriters } from "../../src/demo/start-writers.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { newShop } from "../demo/shop.js";
import { startTestCluster } from "../support/cluster.js";
import { formatsAsked, LOGS_STATEMENTS } from "../support/formats-asked.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { addressOf, eventsOf, hashed, makePipeline, rowStages, type Run, runToEnd } from "../support/pipeline.js";
import { newShards, shopPipeline, shopPlacements } from "../support/shop.js";

/*
 * Values that travel as text: everything where `resharding_copy_format = "text"`, and what has no binary form where it
 * is not.
 */

let cluster: Cluster;

beforeAll(async () => {
  // The server's log tells how rows and changes were asked for.
  cluster = await startTestCluster({ settings: LOGS_STATEMENTS });
});

const asked = (database: string): ReturnType<typeof formatsAsked> => formatsAsked(cluster, database);

interface Bench {
  readonly client: pg.Client;
  readonly shards: readonly { readonly database: string }[];
  readonly run: () => Promise<Run>;
  /** Runs it, and compares. */
  readonly sync: () => Promise<Run>;
}

/** A migration between databases with the same schema; `first` is what the copy finds. */
async function newBench(name: string, parts: { readonly schema: string; readonly first: string; readonly tables: readonly PlacedTable[]; readonly rules: readonly ShardedTable[]; readonly general?: Partial<General> }): Promise<Bench> {
  const source = { cluster, database: name };
  await cluster.createDatabase(name);
  const shards = await newShards(cluster, `${name}_shard`, 3);
  for (const place of [source, ...shards]) {
    const client = await cluster.connect(place.database);
    await client.query(parts.schema);
    await client.end();
  }
  const client = await cluster.connect(name);
  await client.query(`CREATE PUBLICATION everything FOR ALL TABLES; ${parts.first}`);
  const pipeline = makePipeline({
    from: addressOf(source),
    to: shards.map((shard) => addressOf(shard)),
    publication: "everything",
    sharding: { tables: parts.rules },
    stages: rowStages,
    ...(parts.general === undefined ? {} : { general: parts.general }),
  });
  const run = (): Promise<Run> => runToEnd(pipeline);
  const sync = async (): Promise<Run> => {
    const result = await run();
    expect(eventsOf(result.events, "retry")).toEqual([]);
    expect(await differences(source, shards, parts.tables)).toEqual([]);
    expect(result.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
    return result;
  };
  expect((await sync()).sound).toBe(true);
  return { client, shards, run, sync };
}

const placed = (name: string, type: "bigint" | "uuid" | "text" = "bigint"): PlacedTable => ({ schema: "public", name, placement: { kind: "hash", column: "owner", type } });

/** SQL of text that is stored out of line. */
const large = (seed: string): string => `(SELECT string_agg(md5((${seed})::text || part), '') FROM generate_series(1, 200) part)`;

const TYPES = `
  CREATE TYPE mood AS ENUM ('sad', 'so, "so"', 'gl\\ad');
  CREATE TYPE pair AS (first int, second text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE DOMAIN given AS positive NOT NULL;
  CREATE DOMAIN tags AS text[] CHECK (cardinality(VALUE) < 9);
  CREATE DOMAIN guard AS aclitem;
  CREATE TYPE guarded AS (note text, acl aclitem);
`;

describe('resharding_copy_format = "text"', () => {
  it("moves a shop that is written to", async () => {
    const source = { cluster, database: "shop" };
    await (await newShop(cluster, source.database, 5_000)).end();
    const shards = await newShards(cluster, "shop_shard", 3);
    const pipeline = shopPipeline(source, shards, { general: { reshardingCopyFormat: "text" } });
    const writers = await startWriters(() => cluster.connect(source.database), 3, { seed: 7, transactionsPerSecond: 100 });
    onTestFinished(async () => {
      await writers.stop();
    });
    const beforeStage = async (): Promise<void> => {
      const { committed } = writers.report();
      await writers.until((report) => report.committed >= committed + 20);
    };
    expect((await runToEnd(pipeline, { beforeStage })).sound).toBe(true);
    await writers.until(({ transactions }) => Object.values(transactions).every((done) => done > 0));
    await writers.stop();
    expect((await runToEnd(pipeline)).sound).toBe(true);
    expect(await differences(source, shards, shopPlacements)).toEqual([]);
    const { copies, streams } = await asked("shop");
    expect(streams).toEqual(["false"]);
    expect(copies.filter((copy) => !copy.endsWith(": text"))).toEqual([]);
    expect(copies.length).toBeGreaterThan(10);
  });

  const EVERY_TYPE = `
    ${TYPES}
    CREATE TABLE every_type (
      id bigint PRIMARY KEY, owner bigint NOT NULL, small smallint, whole int, yes boolean, single real, double double precision, exact numeric, priced numeric(12, 2),
      money money, plain text, short varchar(20), fixed char(8), unlimited bpchar, one "char", label name, raw bytea, day date, clock time(3), zoned timetz, at timestamp,
      instant timestamptz, span interval, hours interval hour to minute, ident uuid, markup xml, doc json, binary_doc jsonb, path jsonpath, address inet, network cidr, card macaddr, card8 macaddr8, bits bit(5), many_bits varbit,
      place point, line line, segment lseg, area box, route path, shape polygon, round circle, words tsvector, query tsquery, position pg_lsn, object oid, snapshot pg_snapshot, row_at tid, vector int2vector,
      class regclass, kind regtype, role regrole, code regproc, acl aclitem, acls aclitem[], guard guard, guarded guarded,
      feeling mood, couple pair, counted positive, given given, tags tags,
      numbers int[], matrix text[][], feelings mood[], couples pair[], prices numeric(6, 2)[], span_of int4range, spans int8multirange, during tstzrange, body text, extra text[], more jsonb);
    ALTER TABLE every_type ALTER body SET STORAGE EXTERNAL, ALTER extra SET STORAGE EXTERNAL, ALTER more SET STORAGE EXTERNAL;`;

  const VALUES = `
    i, -i, i * 1000, i % 2 = 0, i / 3.0, i / 7.0, (10::numeric ^ i) / 3, i * 1.25,
    (i * 1000)::money, repeat(E'ä€😀\\t\\\\', i % 5) || E'\\n', E'sh\\\\ort\\r', 'fix', 'blanks  ', 'x', 'label', decode(repeat('00ff', i), 'hex'), '2000-01-01'::date + i, '12:34:56.789', '12:34:56+02', '2024-02-29 23:59:59.999999',
    '2024-02-29 23:59:59+00', '-1 mon 2 days -03:04:05', '3 hours 4 minutes', md5(i::text)::uuid, '<a b="1">\t&amp;</a>', '{"a":  [1, 2]}', '{"b": "\\\\n"}', '$.a[*]', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'10101', B'1',
    '(1,2)', '{1,2,3}', '[(0,0),(1,1)]', '((0,0),(1,1))', '[(0,0),(1,1)]', '((0,0),(1,1),(2,0))', '<(1,2),3>', 'a ''b c'':1 d', 'a & ''b c''', '16/B374D848', 4000000000, '10:20:10,14,15', '(7,8)', '1 2 3',
    'every_type', 'mood', 'pg_monitor', 'now', 'pg_monitor=r/postgres', '{pg_monitor=r/postgres,=w/postgres}', 'postgres=r/postgres', '("a, b",pg_monitor=r/postgres)',
    'gl\\ad', ROW(i, E'two "2" \\\\ (b)')::pair, 1, 2, '{a,"b, c",NULL}',
    ARRAY[1, NULL, i], ARRAY[['a', E'b\\\\"'], ['c', NULL]], ARRAY['gl\\ad', 'so, "so"']::mood[], ARRAY[ROW(1, 'x'), NULL]::pair[], '{1.1,NULL}', int4range(1, i + 2), '{[1,3),[5,9)}', tstzrange(NULL, '2020-01-01')`;
  const rowsOf = (from: number, to: number): string =>
    `INSERT INTO every_type SELECT i, ${VALUES}, ${large("i")}, ARRAY[${large("-i")}, NULL], jsonb_build_array(${large("i + 1000")}) FROM generate_series(${from}, ${to}) AS i;`;

  it("carries every type, and unchanged values with rows that move", async () => {
    const { client, sync } = await newBench("types", {
      schema: EVERY_TYPE,
      rules: [hashed("owner", "bigint")],
      tables: [placed("every_type")],
      general: { reshardingCopyFormat: "text" },
      first: `${rowsOf(1, 30)}
        INSERT INTO every_type (id, owner, given) SELECT i, i, 1 FROM generate_series(31, 35) AS i;
        INSERT INTO every_type (id, owner, given, plain, raw, exact, single, double, instant, day, numbers, couple, class, role, fixed, one, words, spans, tags, doc) VALUES
          (36, 9223372036854775807, 1, '', '', 'NaN', '-0', 'Infinity', 'infinity', '0044-03-15 BC', '{}', ROW(NULL, NULL), 0::regclass, 4000000000, '', '', '', '{}', '{}', '""'),
          (37, -9223372036854775808, 1, '\\N', '\\x5c4e', '-Infinity', 'NaN', '1e-320', '-infinity', '5874897-12-31', '[2:3]={1,2}', ROW(NULL, ''), 4000000000, 0, '\\.', '\\', '''\\\\''', NULL, '{"\\N"}', '"\\u00e9"');`,
    });
    await client.query(rowsOf(101, 120));
    await client.query(`INSERT INTO every_type (id, owner, given, plain, one, class, role, couple, body, extra, more)
      SELECT 200 + id, owner, given, plain, one, class, role, couple, ${large("id")}, extra, more FROM every_type WHERE id IN (36, 37)`);
    await client.query("DELETE FROM every_type WHERE id BETWEEN 21 AND 25; UPDATE every_type SET id = id + 1000 WHERE id BETWEEN 26 AND 30");
    // All columns of one row come from another; nothing large changes in those that move.
    const columns = (await client.query<{ name: string }>("SELECT quote_ident(attname) AS name FROM pg_attribute WHERE attrelid = 'every_type'::regclass AND attnum > 2 ORDER BY attnum")).rows.map(({ name }) => name);
    await client.query(`UPDATE every_type t SET (${columns.join()}) = (SELECT ${columns.join()} FROM every_type WHERE id = 37) WHERE id BETWEEN 1 AND 5`);
    await client.query(`UPDATE every_type t SET (${columns.join()}) = (SELECT ${columns.join()} FROM every_type WHERE id = 7) WHERE id BETWEEN 31 AND 34`);
    await client.query("UPDATE every_type SET owner = owner - 1 WHERE owner > 0");
    await client.query("UPDATE every_type SET owner = owner + 1, id = -id, whole = id WHERE id > 100");
    await client.query("UPDATE every_type SET owner = owner + 1, extra = NULL WHERE id % 3 = 0");
    await sync();
    expect(await asked("types")).toEqual({ copies: ["every_type: text"], streams: ["false"] });
  });

  it("finds rows by keys of every kind, and shards by text and uuid", async () => {
    const { client, shards, run, sync } = await newBench("keys", {
      schema: `${TYPES}
        CREATE TABLE odd_keys (code char(5), feeling mood, at timestamptz, size positive, exact numeric, raw bytea, parts text[], owner bigint, note text, body text, PRIMARY KEY (code, feeling, at, size, exact, raw, parts, owner));
        CREATE TABLE by_text (owner text, number smallint, note text, body text, PRIMARY KEY (owner, number));
        CREATE TABLE by_uuid (owner uuid PRIMARY KEY, note text, body text);
        CREATE TABLE by_domain (id int PRIMARY KEY, owner positive, note text, body text);
        CREATE TABLE everywhere (name varchar(30) PRIMARY KEY, note text, body text);`,
      rules: [hashed("owner", "varchar", { name: "by_text" }), hashed("owner", "uuid", { name: "by_uuid" }), hashed("owner", "bigint")],
      tables: [placed("odd_keys"), placed("by_text", "text"), placed("by_uuid", "uuid"), placed("by_domain"), { schema: "public", name: "everywhere", placement: { kind: "everywhere" } }],
      general: { reshardingCopyFormat: "text" },
      first: `
        INSERT INTO odd_keys SELECT 'c' || i % 3, 'gl\\ad', '2020-01-01'::timestamptz + i * interval '1 us', i, i / 3.0, '\\x5c0a', ARRAY['a "b"', E'\\\\', NULL], i, 'first', ${large("i")} FROM generate_series(1, 20) i;
        INSERT INTO by_text SELECT E'o\\\\w\\tn\\ne\\rr' || i, i, 'first', ${large("i")} FROM generate_series(1, 20) i;
        INSERT INTO by_text VALUES ('', 1, 'empty', 'b'), ('\\N', 1, NULL, 'b'), ('\\.', 1, '\\.', 'b'), (repeat(E'\\\\', 500), 1, 'long', 'b');
        INSERT INTO by_uuid SELECT md5(i::text)::uuid, 'first', ${large("i")} FROM generate_series(1, 20) i;
        INSERT INTO by_domain SELECT -i, i, 'first', ${large("i")} FROM generate_series(1, 20) i;
        INSERT INTO everywhere SELECT E'\\t' || i, 'first', ${large("i")} FROM generate_series(1, 20) i;`,
    });
    for (const table of ["odd_keys", "by_text", "by_uuid", "by_domain", "everywhere"]) await client.query(`UPDATE ${table} SET note = note || E' \\\\N\\t' WHERE note = 'first'`);
    await client.query("UPDATE odd_keys SET owner = owner + 1, code = 'd' WHERE size % 2 = 0; UPDATE odd_keys SET feeling = 'sad', exact = exact + 1 WHERE size % 3 = 0; DELETE FROM odd_keys WHERE size = 7");
    await client.query(`UPDATE by_text SET owner = owner || E'\\\\' WHERE number % 2 = 0 OR number = 1; DELETE FROM by_text WHERE number = 5; INSERT INTO by_text VALUES (E'\\b\\f\\v', -1, '', '')`);
    await client.query("UPDATE by_uuid SET owner = md5(owner::text)::uuid WHERE owner < '80000000-0000-0000-0000-000000000000'; DELETE FROM by_uuid WHERE owner > 'f0000000-0000-0000-0000-000000000000'");
    await client.query("UPDATE by_domain SET owner = owner + 5; UPDATE by_domain SET id = id - 100 WHERE owner % 2 = 0");
    await client.query("UPDATE everywhere SET name = name || '!' WHERE note LIKE 'first%'; DELETE FROM everywhere WHERE name LIKE '%7!'");
    await sync();
    await client.query("TRUNCATE by_text, everywhere; INSERT INTO by_text VALUES ('again', 1, NULL, NULL); INSERT INTO everywhere VALUES ('again')");
    await sync();
    expect((await asked("keys")).streams).toEqual(["false"]);
    // Rows on every shard, which belong on one each.
    for (const { database } of shards) {
      const shard = await cluster.connect(database);
      await shard.query(`INSERT INTO by_text VALUES (E'str\\ay\n', 1); INSERT INTO by_uuid VALUES (md5('stray')::uuid); INSERT INTO by_domain VALUES (7777, 7777)`);
      await shard.end();
    }
    expect(Object.fromEntries((await run()).verdicts.map(({ table, misplaced }) => [table, misplaced]))).toEqual({ by_domain: 2, by_text: 2, by_uuid: 2, everywhere: 0, odd_keys: 0 });
  });
});

describe("types without a binary form, in a binary migration", () => {
  it("are text for their column in the stream, and for their table in the copy", async () => {
    const { client, sync } = await newBench("acl", {
      schema: `${TYPES}
        CREATE TABLE plain (id bigint PRIMARY KEY, owner bigint NOT NULL, note text, list int[], body text);
        CREATE TABLE acls (id bigint PRIMARY KEY, owner bigint NOT NULL, acl aclitem, guard guard, counted positive, body text, at timestamptz DEFAULT '2020-01-01');
        ALTER TABLE plain ALTER body SET STORAGE EXTERNAL;
        ALTER TABLE acls ALTER body SET STORAGE EXTERNAL;`,
      rules: [hashed("owner", "bigint")],
      tables: [placed("plain"), placed("acls")],
      first: `
        INSERT INTO plain SELECT i, i, E'\\t' || i, ARRAY[i], ${large("i")} FROM generate_series(1, 20) i;
        INSERT INTO acls SELECT i, i, 'pg_monitor=r/postgres', CASE WHEN i % 2 = 0 THEN '=w*/postgres'::guard END, i, ${large("i")} FROM generate_series(1, 20) i;`,
    });
    await client.query(`INSERT INTO acls SELECT i, i, NULL, '=r/postgres', i, ${large("i")} FROM generate_series(21, 30) i`);
    await client.query("UPDATE acls SET acl = 'postgres=a/postgres' WHERE id % 3 = 0; DELETE FROM acls WHERE id % 7 = 0");
    // Rows that move with their large values unchanged are looked up on the source.
    await client.query("UPDATE acls SET owner = owner + 1; UPDATE acls SET owner = owner + 1, guard = '=x/postgres' WHERE id % 2 = 0; UPDATE plain SET owner = owner + 1; UPDATE acls SET id = -id WHERE id % 5 = 0");
    await sync();
    expect(await asked("acl")).toEqual({ copies: ["acls: text", "plain: binary"], streams: ["true"] });
  });

  it("inside arrays and composite types, and OIDs of names, put the stream in text, and the operator is told", async () => {
    const { client, shards, sync } = await newBench("nested", {
      schema: `${TYPES}
        CREATE TABLE filler (id bigint PRIMARY KEY, owner bigint NOT NULL);
        CREATE TABLE plain (id bigint PRIMARY KEY, owner bigint NOT NULL, note text, body text);
        CREATE TABLE nested (id bigint PRIMARY KEY, owner bigint NOT NULL, acls aclitem[], guarded guarded, list guarded[], body text, many aclitem[]);
        CREATE TABLE classes (id bigint PRIMARY KEY, owner bigint NOT NULL, class regclass, body text);
        ALTER TABLE nested ALTER body SET STORAGE EXTERNAL, ALTER many SET STORAGE EXTERNAL;
        ALTER TABLE classes ALTER body SET STORAGE EXTERNAL;`,
      rules: [hashed("owner", "bigint")],
      tables: [placed("plain"), placed("nested"), placed("classes"), placed("filler")],
      // On the source `plain` has another OID than on the shards.
      first: `
        ALTER TABLE plain RENAME TO former; CREATE TABLE plain (LIKE former INCLUDING ALL); DROP TABLE former;
        INSERT INTO plain SELECT i, i, E'\\\\' || i, ${large("i")} FROM generate_series(1, 20) i;
        INSERT INTO nested SELECT i, i, '{pg_monitor=r/postgres,NULL}', '("a ""b""",=w/postgres)', ARRAY['(,)', '(x,=r/postgres)']::guarded[], ${large("i")},
          (SELECT array_agg('pg_monitor=r/postgres'::aclitem) FROM generate_series(1, 500)) FROM generate_series(1, 20) i;
        INSERT INTO classes SELECT i, i, (ARRAY['plain', 'pg_catalog.pg_class', '-', '4000000000']::regclass[])[i % 4 + 1], ${large("i")} FROM generate_series(1, 20) i;`,
    });
    await client.query("UPDATE nested SET owner = owner + 1; UPDATE nested SET acls = '{}', guarded = '(,)', list = NULL WHERE id % 2 = 0; UPDATE nested SET owner = owner + 1, many = many || many WHERE id % 3 = 0");
    await client.query("UPDATE classes SET owner = owner + 1; UPDATE classes SET class = 'plain' WHERE id % 3 = 0; UPDATE plain SET owner = owner + 1, note = E'\\\\N'");
    await client.query("INSERT INTO nested (id, owner, acls) VALUES (100, 100, '{=r/postgres}'); INSERT INTO classes VALUES (100, 100, 'plain', NULL)");
    const run = await sync();
    expect(await asked("nested")).toEqual({ copies: ["classes: text", "filler: binary", "nested: text", "plain: binary"], streams: ["false"] });
    expect(eventsOf(run.events, "note").map(({ message }) => message)).toContain(
      "Changes are streamed as text, for not all values of these columns can be sent in binary to another server: classes.class (regclass), nested.acls (aclitem[]), nested.guarded (public.guarded), nested.list (public.guarded[]), nested.many (aclitem[]).",
    );
    // Names, not OIDs: what is `plain` here is `plain` there, under its OID of there.
    const oids = new Set<string>();
    for (const database of ["nested", ...shards.map((shard) => shard.database)]) {
      const there = await cluster.connect(database);
      const { rows } = await there.query<{ oid: string; named: string; own: string }>("SELECT 'plain'::regclass::oid::text AS oid, count(*) FILTER (WHERE class = 'plain'::regclass) AS named, count(*) FILTER (WHERE class::text = 'plain') AS own FROM classes");
      await there.end();
      expect(Number(rows[0]!.named), database).toBeGreaterThan(0);
      expect(rows[0]!.named).toBe(rows[0]!.own);
      oids.add(rows[0]!.oid);
    }
    expect(oids.size).toBe(4);
  });
});
