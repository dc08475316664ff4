import { describe, expect, test } from "vitest";
import { shardOfBytes } from "../../src/sharding/hash.js";
import type { TableRoute } from "../../src/sharding/table-route.js";
import { type LiveShards, withLiveShards } from "../support/changes-live.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();

/** 3 kB that no compression shortens: stored outside the row. */
const LARGE = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 100) AS n)";

async function expectEqual(live: LiveShards, ...tables: string[]): Promise<void> {
  for (const table of tables) {
    const rows = await live.rows(-1, table);
    expect(rows.length).toBeGreaterThan(0);
    expect(await live.rows(0, table)).toEqual(rows);
  }
}

describe("each kind of change", () => {
  test.each([["in transactions of their own", "", ""], ["folded in one", "BEGIN", "COMMIT"]])("inserts, updates, deletes, key changes, unchanged values outside the row, truncates: %s", async (_, begin, commit) => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, a text, doc text); CREATE TABLE emptied (id int PRIMARY KEY)" }, async (live) => {
      await live.source.query(`INSERT INTO t SELECT n, 'a' || n, CASE WHEN n % 2 = 0 THEN ${LARGE} ELSE 'short' END FROM generate_series(1, 40) AS n; INSERT INTO emptied VALUES (1), (2)`);
      await live.sync();
      await expectEqual(live, "t", "emptied");
      for (const statement of [
        begin,
        "UPDATE t SET a = 'changed' WHERE id <= 10",
        "UPDATE t SET doc = NULL WHERE id = 4",
        "UPDATE t SET id = id + 1000 WHERE id <= 20",
        "UPDATE t SET id = id + 1000, a = NULL WHERE id > 1010",
        "DELETE FROM t WHERE id BETWEEN 21 AND 25; INSERT INTO t VALUES (21, 'again', 'new')",
        "UPDATE t SET id = -id WHERE id IN (30, 32)",
        "TRUNCATE emptied; INSERT INTO emptied VALUES (3)",
        commit,
      ]) await live.source.query(statement);
      await live.sync();
      await expectEqual(live, "t", "emptied");
    });
  });

  test("tables whose every column is in the key, and names that need quotes", async () => {
    const schema = `CREATE SCHEMA "Übel ""x"""; CREATE TABLE "Übel ""x"""."select" ("From" int, "a b" text, "ß$" int, PRIMARY KEY ("a b", "From"));
      CREATE TABLE joins (a int, b int, PRIMARY KEY (b, a))`;
    await withLiveShards(cluster, { schema }, async (live) => {
      await live.source.query(`INSERT INTO joins SELECT n, n % 7 FROM generate_series(1, 30) AS n; INSERT INTO "Übel ""x"""."select" SELECT n, 'k' || n, n FROM generate_series(1, 9) AS n`);
      await live.sync();
      await live.source.query(`UPDATE joins SET a = a + 100 WHERE a < 10; DELETE FROM joins WHERE a > 25; UPDATE "Übel ""x"""."select" SET "ß$" = 0, "From" = "From" + 1 WHERE "From" > 3`);
      await live.sync();
      await expectEqual(live, "joins", `"Übel ""x"""."select"`);
    });
  });

  test("REPLICA IDENTITY FULL and USING INDEX", async () => {
    const schema = `CREATE TABLE whole (id int PRIMARY KEY, a text, doc text); ALTER TABLE whole REPLICA IDENTITY FULL;
      CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL, doc text); CREATE UNIQUE INDEX by_code ON indexed (code); ALTER TABLE indexed REPLICA IDENTITY USING INDEX by_code`;
    await withLiveShards(cluster, { schema }, async (live) => {
      await live.source.query(`INSERT INTO whole SELECT n, 'a', ${LARGE} FROM generate_series(1, 10) AS n; INSERT INTO indexed SELECT n, 'c' || n, ${LARGE} FROM generate_series(1, 10) AS n`);
      await live.sync();
      await live.source.query("UPDATE whole SET id = id + 100 WHERE id > 5; UPDATE whole SET a = 'b' WHERE id < 4; DELETE FROM whole WHERE id = 4");
      await live.source.query("UPDATE indexed SET code = 'new ' || code WHERE id > 5; UPDATE indexed SET id = -id WHERE id < 4; DELETE FROM indexed WHERE id = 4");
      await live.sync();
      await expectEqual(live, "whole", "indexed");
    });
  });

  test("a value of 20 MB, and a change of its row that leaves it", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, a int, doc bytea)" }, async (live) => {
      await live.source.query("INSERT INTO t VALUES (1, 1, decode(repeat('00ff', 10000000), 'hex')), (2, 1, '')");
      await live.sync();
      await live.source.query("UPDATE t SET a = 2");
      await live.sync();
      const { rows } = await live.shards[0]!.query("SELECT id, a, length(doc) AS length, md5(doc) = md5(decode(repeat('00ff', 10000000), 'hex')) AS equal FROM t ORDER BY id");
      expect(rows).toEqual([{ id: 1, a: 2, length: 20_000_000, equal: true }, { id: 2, a: 2, length: 0, equal: false }]);
    });
  });
});

describe("columns of every kind", () => {
  test("generated, identity, arrays, domains, enums, composites, json, and a type without binary form", async () => {
    const schema = `
      CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (first mood, second text);
      CREATE DOMAIN filled AS text NOT NULL CHECK (VALUE <> ''); CREATE DOMAIN score AS numeric(5, 2); CREATE DOMAIN deep AS filled;
      CREATE TYPE plain; CREATE FUNCTION plain_in(cstring) RETURNS plain LANGUAGE internal IMMUTABLE STRICT AS 'textin';
      CREATE FUNCTION plain_out(plain) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
      CREATE TYPE plain (INPUT = plain_in, OUTPUT = plain_out, LIKE = text);
      CREATE TABLE t (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice bigint GENERATED ALWAYS AS (id * 2) STORED, numbers int[], words text[][], mood mood, moods mood[],
        couple pair, name filled, deeper deep, score score, doc jsonb, odd plain, price numeric(10, 2), short varchar(5), fixed char(4), at timestamptz, bits bit(3), big text)`;
    await withLiveShards(cluster, { schema }, async (live) => {
      await live.source.query(`INSERT INTO t (numbers, words, mood, moods, couple, name, deeper, score, doc, odd, price, short, fixed, at, bits, big)
        SELECT ARRAY[n, NULL], ARRAY[['a', NULL], ['b', 'c']], 'glad', '{sad,NULL,glad}', ROW('sad', 'x')::pair, 'n', 'd', n, '{"a": [1]}', ('odd ' || n)::plain, n, 's', 'f', 'epoch', B'101', ${LARGE} FROM generate_series(1, 6) AS n`);
      await live.source.query("INSERT INTO t (name, deeper) VALUES ('only', 'these')");
      await live.sync();
      await expectEqual(live, "t");
      // The large value is not sent: the others are set.
      await live.source.query(`UPDATE t SET numbers = '{}', mood = 'sad', moods = '{glad}', couple = NULL, score = NULL, doc = '[]', odd = 'other'::plain, name = 'renamed' WHERE id < 4`);
      await live.source.query("UPDATE t SET id = DEFAULT WHERE id = 5; UPDATE t SET big = NULL WHERE id = 6");
      await live.sync();
      await expectEqual(live, "t");
      expect(await live.shards[0]!.query("SELECT FROM t WHERE twice <> id * 2")).toMatchObject({ rowCount: 0 });
    });
  });

  test("GENERATED ALWAYS AS IDENTITY outside the key is set like any other column", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (name text PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY, a int, big text)" }, async (live) => {
      await live.source.query(`INSERT INTO t (name, a, big) SELECT 'n' || n, n, CASE WHEN n > 3 THEN ${LARGE} ELSE '' END FROM generate_series(1, 6) AS n`);
      await live.sync();
      await live.source.query("UPDATE t SET a = -a");
      await live.source.query("UPDATE t SET number = DEFAULT WHERE name IN ('n1', 'n5')");
      await live.sync();
      await expectEqual(live, "t");
    });
  });

  test("columns in another order on the shard, further ones there, and generated ones that are published", async () => {
    const source = "CREATE TABLE t (id int PRIMARY KEY, gone int, a text, sum int GENERATED ALWAYS AS (id + 1) STORED); ALTER TABLE t DROP COLUMN gone";
    const shard = "CREATE TABLE t (extra text DEFAULT 'here', sum int GENERATED ALWAYS AS (id + 1) STORED, a text, id int PRIMARY KEY)";
    await withLiveShards(cluster, { schema: source, shardSchema: shard, published: "FOR ALL TABLES WITH (publish_generated_columns = stored)" }, async (live) => {
      await live.source.query("INSERT INTO t (id, a) VALUES (1, 'x'), (2, 'y'); UPDATE t SET a = 'z' WHERE id = 2");
      await live.sync();
      expect(await live.rows(0, "t", "id")).toEqual(["(x,here,1,2)", "(z,here,2,3)"]);
    });
  });

  test("a partitioned table on the shard, published by its root", async () => {
    const schema = `CREATE TABLE t (id int, region text, a text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
      CREATE TABLE t_eu PARTITION OF t FOR VALUES IN ('eu'); CREATE TABLE t_rest PARTITION OF t DEFAULT`;
    await withLiveShards(cluster, { schema, published: "FOR ALL TABLES WITH (publish_via_partition_root)" }, async (live) => {
      await live.source.query("INSERT INTO t SELECT n, CASE WHEN n % 2 = 0 THEN 'eu' ELSE 'us' END, 'a' FROM generate_series(1, 20) AS n");
      await live.sync();
      await live.source.query("UPDATE t SET region = 'eu' WHERE id = 3; UPDATE t SET a = 'b' WHERE id < 9; DELETE FROM t WHERE id = 10");
      await live.sync();
      await expectEqual(live, "t", "t_eu", "t_rest");
      await live.source.query("TRUNCATE t; INSERT INTO t VALUES (1, 'eu', 'last')");
      await live.sync();
      await expectEqual(live, "t", "t_eu");
    });
  });
});

describe("what folding could run into", () => {
  test("values of a unique column swapped between rows, and passed on in a ring over several tables' changes", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, code int UNIQUE, EXCLUDE USING btree (code WITH =)); CREATE TABLE other (id int PRIMARY KEY)" }, async (live) => {
      await live.source.query("INSERT INTO t SELECT n, n FROM generate_series(1, 9) AS n");
      await live.sync();
      await live.source.query("BEGIN; UPDATE t SET code = -1 WHERE id = 1; INSERT INTO other VALUES (1); UPDATE t SET code = 1 WHERE id = 2; UPDATE t SET code = 2 WHERE id = 3; UPDATE t SET code = 3 WHERE id = 1; COMMIT");
      await live.source.query("BEGIN; DELETE FROM t WHERE id = 9; UPDATE t SET code = 9 WHERE id = 8; INSERT INTO t VALUES (10, 8); COMMIT");
      await live.sync();
      await expectEqual(live, "t", "other");
    });
  });

  test("a constraint that is deferred on the source is deferred on the shard", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, code int UNIQUE DEFERRABLE, doc text)" }, async (live) => {
      // Rows that carry all their columns and rows that do not are set by different statements.
      await live.source.query(`INSERT INTO t SELECT n, n, CASE WHEN n < 5 THEN ${LARGE} END FROM generate_series(1, 9) AS n`);
      await live.sync();
      await live.source.query("BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE t SET code = 10 - code WHERE id IN (1, 9); UPDATE t SET code = 10 - code WHERE id NOT IN (1, 9); COMMIT");
      await live.sync();
      await expectEqual(live, "t");
    });
  });

  test("TRUNCATE of tables with foreign keys between them, also where the shard is told of one alone", async () => {
    const schema = "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent)";
    await withLiveShards(cluster, { schema }, async (live) => {
      await live.source.query("INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1)");
      await live.sync();
      await live.source.query("TRUNCATE parent, child; INSERT INTO parent VALUES (3)");
      await live.sync();
      await expectEqual(live, "parent");
      expect(await live.rows(0, "child")).toEqual([]);
    });
    await withLiveShards(cluster, { schema, published: "FOR TABLE parent" }, async (live) => {
      await live.source.query("INSERT INTO parent VALUES (1), (2)");
      await live.sync();
      await live.source.query("TRUNCATE parent CASCADE; INSERT INTO parent VALUES (3)");
      await live.sync();
      await expectEqual(live, "parent");
    });
  });

  test("a table described again in the middle, with its old definition and with a new one", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, a text)" }, async (live) => {
      await live.source.query("BEGIN; INSERT INTO t VALUES (1, 'a'); ANALYZE t; INSERT INTO t VALUES (2, 'b'); UPDATE t SET a = 'c' WHERE id = 1; COMMIT");
      const { batches } = await live.sync();
      // The server sends the same again, which describes nothing new.
      expect(batches.flatMap(({ relations }) => relations)).toHaveLength(1);
      await expectEqual(live, "t");

      await live.shards[0]!.query("ALTER TABLE t ADD COLUMN b int");
      await live.source.query("BEGIN; INSERT INTO t VALUES (3, 'd'); ALTER TABLE t ADD COLUMN b int; INSERT INTO t VALUES (4, 'e', 4); UPDATE t SET b = 0 WHERE id = 1; COMMIT");
      await live.sync();
      await expectEqual(live, "t");
    });
  });
});

describe("rows that move between shards", () => {
  const routeBy = (column: string): TableRoute => ({ kind: "key", column, dataType: "varchar", shardOf: (bytes, offset, length) => shardOfBytes(bytes, offset, length, 2) });

  async function expectSplit(live: LiveShards): Promise<void> {
    const [first, second, source] = [await live.rows(0, "t"), await live.rows(1, "t"), await live.rows(-1, "t")];
    expect([...first, ...second].sort()).toEqual([...source].sort());
    expect(first.length * second.length).toBeGreaterThan(0);
  }

  test("with the sharding key outside the primary key, large values left as they are", async () => {
    await withLiveShards(cluster, { schema: "CREATE TABLE t (id int PRIMARY KEY, tenant text NOT NULL, a int, doc text)", shards: 2, route: () => routeBy("tenant") }, async (live) => {
      await live.source.query(`INSERT INTO t SELECT n, 'tenant ' || n % 8, n, ${LARGE} FROM generate_series(1, 40) AS n`);
      await live.sync();
      await expectSplit(live);
      await live.source.query("UPDATE t SET tenant = 'tenant ' || (id + 3) % 8 WHERE id < 30; UPDATE t SET a = 0 WHERE id % 3 = 0; UPDATE t SET id = id + 100 WHERE id < 10; DELETE FROM t WHERE id = 20");
      await live.sync();
      await expectSplit(live);
    });
  });

  test("with a sharding key stored outside the row that is part of the primary key", async () => {
    const schema = "CREATE TABLE t (url text, n int, a int, doc text, PRIMARY KEY (url, n)) WITH (toast_tuple_target = 128); ALTER TABLE t ALTER url SET STORAGE EXTERNAL";
    await withLiveShards(cluster, { schema, shards: 2, route: () => routeBy("url") }, async (live) => {
      await live.source.query(`INSERT INTO t SELECT n || repeat('u', 2200), n, 0, CASE WHEN n % 2 = 0 THEN ${LARGE} END FROM generate_series(1, 20) AS n`);
      await live.sync();
      await live.source.query("UPDATE t SET a = 1");
      await live.source.query("UPDATE t SET n = -n WHERE n > 10");
      const { batches } = await live.sync();
      // Else this shows nothing: keys that were sent are no trouble.
      expect(batches.some(({ buffer }) => buffer.includes(Buffer.from("N\0\x04u", "latin1")))).toBe(true);
      await expectSplit(live);
    });
  });
});
