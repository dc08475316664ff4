import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/demo/random.js";
import type { Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { moment } from "../support/moment.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { addressOf, hashed, makePipeline, type Place, rowStages, type Run, runToEnd } from "../support/pipeline.js";
import { newShards } from "../support/shop.js";

/*
 * What the stream does with changes that are hard to follow. Writes are made while nothing streams, so that whatever is
 * looked up on the source during the run shows later values than the change that asks.
 */

const SHARDS = 3;

/** In each table `body` and `extra` are stored out of line: an UPDATE that leaves them alone does not send them. */
const DEFINITIONS = {
  outside: "CREATE TABLE outside (id bigint PRIMARY KEY, owner bigint NOT NULL, title text, body text, extra text)",
  inside: "CREATE TABLE inside (owner bigint, number integer, title text, body text, extra text, PRIMARY KEY (owner, number))",
  whole: "CREATE TABLE whole (owner bigint PRIMARY KEY, title text, body text, extra text)",
  small: "CREATE TABLE small (id integer PRIMARY KEY, owner integer NOT NULL, title text, body text, extra text)",
  by_uuid: "CREATE TABLE by_uuid (owner uuid PRIMARY KEY, title text, body text, extra text)",
  by_text: "CREATE TABLE by_text (id bigint PRIMARY KEY, owner text NOT NULL, title text, body text, extra text)",
  everywhere: "CREATE TABLE everywhere (id bigint PRIMARY KEY, title text, body text, extra text)",
  unique_title: "CREATE TABLE unique_title (id bigint PRIMARY KEY, owner bigint NOT NULL, title text UNIQUE, body text, extra text)",
  by_index: `CREATE TABLE by_index (id bigint PRIMARY KEY, owner bigint NOT NULL, code text NOT NULL, title text, body text, extra text);
    CREATE UNIQUE INDEX by_index_code ON by_index (code);
    ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code`,
  pairs: "CREATE TABLE pairs (owner bigint, tag bigint, PRIMARY KEY (owner, tag))",
  numbered: "CREATE TABLE numbered (id bigint PRIMARY KEY, owner bigint NOT NULL, serial bigint GENERATED ALWAYS AS IDENTITY, title text, body text, extra text)",
  parts: `CREATE TABLE parts (id bigint, kind text, owner bigint NOT NULL, title text, body text, extra text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
    CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
    CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b', 'c')`,
  parents: "CREATE TABLE parents (owner bigint PRIMARY KEY, filler text)",
  children: "CREATE TABLE children (owner bigint REFERENCES parents, number integer, PRIMARY KEY (owner, number))",
};
type Table = keyof typeof DEFINITIONS;
const ALL = Object.keys(DEFINITIONS) as Table[];

const OUT_OF_LINE = `
  DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT IN ('pairs', 'parents', 'children') LOOP
      EXECUTE format('ALTER TABLE %I ALTER body SET STORAGE EXTERNAL, ALTER extra SET STORAGE EXTERNAL', name);
    END LOOP;
  END $$;
`;

const RULES = [hashed("owner", "bigint"), hashed("owner", "uuid", { name: "by_uuid" }), hashed("owner", "varchar", { name: "by_text" })];

function placed(table: Table): readonly PlacedTable[] {
  if (table === "everywhere") return [{ schema: "public", name: table, placement: { kind: "everywhere" } }];
  const type = table === "by_uuid" ? "uuid" : table === "by_text" ? "text" : "bigint";
  return (table === "parts" ? ["parts_a", "parts_b"] : [table]).map((name) => ({ schema: "public", name, placement: { kind: "hash", column: "owner", type } }));
}

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

interface Bench {
  readonly client: pg.Client;
  readonly pipeline: Pipeline;
  readonly source: Place;
  readonly shards: readonly Place[];
  /** Brings the shards up to date and compares them. */
  readonly sync: () => Promise<Run>;
}

/** A migration whose tables are copied, unless told otherwise, and which from then on streams whenever `sync` is called. */
async function newBench(name: string, tables: readonly Table[], first = "", copied = true): Promise<Bench> {
  const source = { cluster, database: name };
  await cluster.createDatabase(name);
  const shards = await newShards(cluster, `${name}_shard`, SHARDS);
  for (const place of [source, ...shards]) {
    const client = await cluster.connect(place.database);
    await client.query(tables.map((table) => `${DEFINITIONS[table]};`).join("\n") + OUT_OF_LINE);
    await client.end();
  }
  const client = await cluster.connect(name);
  await client.query(`CREATE PUBLICATION everything FOR ALL TABLES; ${first}`);
  const pipeline = makePipeline({
    from: addressOf(source),
    to: shards.map((shard) => addressOf(shard)),
    publication: "everything",
    sharding: { tables: RULES.filter(({ name }) => name === undefined || tables.includes(name as Table)) },
    stages: rowStages,
  });
  const sync = async (): Promise<Run> => {
    const run = await runToEnd(pipeline);
    expect(await differences(source, shards, tables.flatMap(placed))).toEqual([]);
    expect(run.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
    return run;
  };
  if (copied) await sync();
  return { client, pipeline, source, shards, sync };
}

/** SQL of `bytes` characters that do not compress, different for every `seed` (SQL too). */
const large = (seed: string, bytes = 120_000): string => `(SELECT left(string_agg(md5((${seed})::text || part), ''), ${bytes}) FROM generate_series(1, ${Math.ceil(bytes / 32)}) part)`;

describe("rows that move between shards with large values unchanged", () => {
  it("arrive whole, whether the key is part of the primary key or not", async () => {
    const { client, sync } = await newBench("moves", ["outside", "inside", "whole", "small", "by_uuid", "by_text"], `
      INSERT INTO outside SELECT i, i, 'first', ${large("i")}, ${large("-i")} FROM generate_series(1, 6) i;
      INSERT INTO inside SELECT i, 1, 'first', ${large("i")}, ${large("-i")} FROM generate_series(1, 6) i;
      INSERT INTO whole SELECT i, 'first', ${large("i")}, ${large("-i")} FROM generate_series(1, 6) i;
      INSERT INTO small SELECT i, i, 'first', ${large("i")}, ${large("-i")} FROM generate_series(1, 6) i;
      INSERT INTO by_uuid SELECT md5(i::text)::uuid, 'first', ${large("i")}, ${large("-i")} FROM generate_series(1, 6) i;
      INSERT INTO by_text SELECT i, 'owner ' || i, 'first', ${large("i")}, ${large("-i")} FROM generate_series(1, 6) i;`);
    // Each row has a new owner, one large value of every other row changes too.
    await client.query(`
      UPDATE outside SET owner = owner + 100; UPDATE outside SET owner = owner + 100, extra = title WHERE id % 2 = 0;
      UPDATE inside SET owner = owner + 100; UPDATE inside SET owner = owner + 100, extra = title WHERE owner % 2 = 0;
      UPDATE whole SET owner = owner + 100; UPDATE whole SET owner = owner + 100, extra = title WHERE owner % 2 = 0;
      UPDATE small SET owner = owner + 100; UPDATE small SET owner = owner + 100, extra = title WHERE id % 2 = 0;
      UPDATE by_uuid SET owner = md5(owner::text)::uuid; UPDATE by_uuid SET extra = title, owner = md5(owner::text)::uuid WHERE owner < '80000000-0000-0000-0000-000000000000';
      UPDATE by_text SET owner = owner || ' new'; UPDATE by_text SET owner = owner || '!', extra = title WHERE id % 2 = 0;`);
    await sync();
    // There and back, in one transaction and in several.
    for (const [open, close] of [["BEGIN", "COMMIT"], ["", ""]] as const) {
      await client.query(open);
      for (let round = 1; round <= 4; round++) {
        const by = round % 2 === 0 ? -7 : 7;
        await client.query(`UPDATE outside SET owner = owner + ${by}`);
        await client.query(`UPDATE inside SET owner = owner + ${by}`);
        await client.query(`UPDATE whole SET owner = owner + ${by * 1000}`);
        await client.query(`UPDATE small SET owner = owner + ${by}, title = 'round ${round}'`);
        await client.query(`UPDATE by_text SET owner = owner || '${round}'`);
      }
      await client.query(close);
      await sync();
    }
  });

  it("arrive whole where the row has another primary key by the time its values are looked up", async () => {
    const { client, sync } = await newBench("renumbered", ["outside", "inside"], `
      INSERT INTO outside SELECT i, i, 'first', ${large("i")}, 'short' FROM generate_series(1, 6) i;
      INSERT INTO inside SELECT i, 1, 'first', ${large("i")}, 'short' FROM generate_series(1, 6) i;`);
    await client.query("UPDATE outside SET owner = owner + 100");
    await client.query("UPDATE inside SET owner = owner + 100");
    await client.query("UPDATE outside SET id = id + 100");
    await client.query("UPDATE inside SET number = 2");
    await sync();
    // And once more in one transaction.
    await client.query("BEGIN; UPDATE inside SET owner = owner + 100; UPDATE inside SET number = 3; UPDATE inside SET number = 4; COMMIT");
    await sync();
  });

  it("keep their own values where another row has their primary key by then", async () => {
    const { client, sync } = await newBench("swapped", ["outside", "inside"], `
      INSERT INTO outside SELECT i, i, 'same', ${large("i")}, 'short' FROM generate_series(1, 2) i;
      INSERT INTO inside SELECT 1, i, 'same', ${large("i")}, 'short' FROM generate_series(1, 2) i;`);
    for (const statement of [
      "UPDATE inside SET owner = 2",
      "UPDATE inside SET number = -number", "UPDATE inside SET number = 3 + number",
      "UPDATE outside SET owner = 5",
      "UPDATE outside SET id = -id", "UPDATE outside SET id = 3 + id",
    ]) await client.query(statement);
    await sync();
  });
});

describe("primary keys", () => {
  it("swap, and move up and down a chain, in one transaction and across several", async () => {
    const { client, sync } = await newBench("chains", ["outside", "whole", "everywhere", "by_index", "numbered", "pairs"], `
      INSERT INTO outside SELECT i, i, 'row ' || i, ${large("i", 4000)}, 'short' FROM generate_series(1, 5) i;
      INSERT INTO whole SELECT i, 'row ' || i, ${large("i", 4000)}, 'short' FROM generate_series(1, 5) i;
      INSERT INTO everywhere SELECT i, 'row ' || i, ${large("i", 4000)}, 'short' FROM generate_series(1, 5) i;
      INSERT INTO by_index SELECT i, i, 'code ' || i, 'row ' || i, ${large("i", 4000)}, 'short' FROM generate_series(1, 5) i;
      INSERT INTO numbered (id, owner, title, body, extra) SELECT i, i, 'row ' || i, ${large("i", 4000)}, 'short' FROM generate_series(1, 5) i;
      INSERT INTO pairs SELECT i, i FROM generate_series(1, 5) i;`);
    const set = async (table: string, column: string, steps: readonly (readonly [string, string])[]): Promise<void> => {
      for (const [from, to] of steps) {
        const { rowCount } = await client.query(`UPDATE ${table} SET ${column} = ${to} WHERE ${column} = ${from}`);
        expect(rowCount, `${table} ${from} to ${to}`).toBe(1);
      }
    };
    const swap = [["1", "0"], ["2", "1"], ["0", "2"]] as const;
    const up = [["5", "6"], ["4", "5"], ["3", "4"]] as const;
    const down = [["4", "3"], ["5", "4"], ["6", "5"]] as const;
    const codes = ([from, to]: readonly [string, string]): readonly [string, string] => [`'code ${from}'`, `'code ${to}'`];
    for (const [open, close] of [["BEGIN", "COMMIT"], ["", ""]] as const) {
      for (const steps of [swap, up, down, [...swap, ...up]]) {
        await client.query(open);
        for (const table of ["outside", "everywhere", "numbered"]) await set(table, "id", steps);
        await set("whole", "owner", steps);
        await set("pairs", "owner", steps);
        await set("pairs", "tag", steps);
        await set("by_index", "code", steps.map(codes));
        await client.query(close);
      }
      await sync();
      // Back to 1 to 5 for the second round.
      await client.query("BEGIN");
      for (const table of ["outside", "everywhere", "numbered"]) await set(table, "id", down);
      await set("whole", "owner", down);
      await set("pairs", "owner", down);
      await set("pairs", "tag", down);
      await set("by_index", "code", down.map(codes));
      await client.query("COMMIT");
    }
    await sync();
  });

  it("are used again after a row is deleted, and a unique value goes from row to row", async () => {
    const { client, sync } = await newBench("reused", ["outside", "unique_title"], `
      INSERT INTO outside SELECT i, i, 'row ' || i, ${large("i", 4000)}, 'short' FROM generate_series(1, 3) i;
      INSERT INTO unique_title SELECT i, 1, 'title ' || i, ${large("i", 4000)}, 'short' FROM generate_series(1, 4) i;`);
    await client.query("BEGIN");
    await client.query(`DELETE FROM outside WHERE id = 1; INSERT INTO outside VALUES (1, 9, 'new', 'b', 'e')`);
    await client.query(`UPDATE outside SET id = 10 WHERE id = 2; INSERT INTO outside VALUES (2, 2, 'new', 'b', 'e'); DELETE FROM outside WHERE id = 3`);
    await client.query(`UPDATE unique_title SET title = 'x' WHERE id = 1; UPDATE unique_title SET title = 'title 1' WHERE id = 2;
      UPDATE unique_title SET title = 'title 2' WHERE id = 1; DELETE FROM unique_title WHERE id = 3; INSERT INTO unique_title VALUES (5, 1, 'title 3', 'b', 'e');
      UPDATE unique_title SET title = 'title 4 was here', owner = 1 WHERE id = 4; UPDATE unique_title SET title = 'title 4' WHERE id = 5`);
    await client.query("COMMIT");
    await sync();
  });
});

describe("transactions", () => {
  it("that insert, change and delete the same rows, with parts rolled back", async () => {
    const { client, sync } = await newBench("net_effect", ["outside", "pairs"], `INSERT INTO outside SELECT i, i, 'first', ${large("i", 4000)}, ${large("-i", 4000)} FROM generate_series(1, 10) i;`);
    await client.query("BEGIN");
    await client.query(`INSERT INTO outside SELECT i, i, 'new', ${large("i", 4000)}, 'short' FROM generate_series(11, 20) i`);
    await client.query("UPDATE outside SET owner = owner + 1 WHERE id BETWEEN 5 AND 15; DELETE FROM outside WHERE id BETWEEN 12 AND 13");
    await client.query(`SAVEPOINT a; DELETE FROM outside; INSERT INTO pairs VALUES (1, 1); ROLLBACK TO a`);
    await client.query(`SAVEPOINT b; UPDATE outside SET title = 'kept' WHERE id = 14; SAVEPOINT c; UPDATE outside SET title = 'lost', extra = 'lost' WHERE id = 14; ROLLBACK TO c; RELEASE b`);
    await client.query("INSERT INTO outside VALUES (12, 1, 'again', 'b', 'e'); UPDATE outside SET extra = 'changed' WHERE id = 12; UPDATE outside SET title = NULL, body = NULL WHERE id = 5");
    await client.query("COMMIT");
    await client.query("BEGIN; TRUNCATE outside; ROLLBACK");
    await sync();
  });

  it("of 200,000 rows are applied as one", async () => {
    const { client, shards, sync } = await newBench("large_transaction", ["outside", "everywhere"]);
    await client.query("BEGIN");
    await client.query("INSERT INTO outside SELECT i, i, 'row ' || i, 'b', 'e' FROM generate_series(1, 100000) i");
    await client.query("INSERT INTO everywhere SELECT i, 'row ' || i, NULL, '' FROM generate_series(1, 20000) i");
    await client.query("UPDATE outside SET owner = owner + 1, title = title || '!' WHERE id <= 60000");
    await client.query("DELETE FROM outside WHERE id % 5 = 0");
    await client.query("COMMIT");
    // On each shard the rows appear at once: whatever is seen of the transaction is all of it.
    const watchers = await Promise.all(shards.map(({ database }) => cluster.connect(database)));
    const seen = new Set<string>();
    const stop = new AbortController();
    const watching = watchers.map(async (watcher, shard) => {
      while (!stop.signal.aborted) {
        const { rows } = await watcher.query<{ rows: string; kept: string }>("SELECT (SELECT count(*) FROM outside) AS rows, (SELECT count(*) FROM everywhere) AS kept");
        seen.add(`${shard}: ${rows[0]!.rows} and ${rows[0]!.kept}`);
        await moment();
      }
      await watcher.end();
    });
    await sync();
    stop.abort();
    await Promise.all(watching);
    for (let shard = 0; shard < SHARDS; shard++) {
      const states = [...seen].filter((state) => state.startsWith(`${shard}:`)).sort();
      expect(states.length).toBeLessThanOrEqual(2);
      expect(states.every((state) => state.endsWith(" 0 and 0") || state.endsWith(" and 20000")), states.join(", ")).toBe(true);
    }
  });

  it("that truncate sharded and omnisharded tables between other changes", async () => {
    const { client, sync } = await newBench("truncated", ["outside", "everywhere", "numbered", "pairs"], `
      INSERT INTO outside SELECT i, i, 'row', 'b', 'e' FROM generate_series(1, 50) i;
      INSERT INTO everywhere SELECT i, 'row', 'b', 'e' FROM generate_series(1, 50) i;
      INSERT INTO numbered (id, owner) SELECT i, i FROM generate_series(1, 50) i;`);
    await client.query("INSERT INTO outside SELECT i, i, 'before', 'b', 'e' FROM generate_series(51, 60) i; INSERT INTO everywhere VALUES (51, 'before', 'b', 'e')");
    await client.query("TRUNCATE outside");
    await client.query("INSERT INTO outside SELECT i, i, 'between', 'b', 'e' FROM generate_series(40, 55) i");
    await client.query("BEGIN; INSERT INTO everywhere VALUES (52, 'gone', 'b', 'e'); TRUNCATE everywhere, numbered RESTART IDENTITY; INSERT INTO everywhere VALUES (52, 'kept', 'b', 'e'); COMMIT");
    await client.query("INSERT INTO numbered (id, owner) VALUES (1, 1)");
    await sync();
    await client.query("TRUNCATE outside, everywhere, numbered, pairs CASCADE");
    await sync();
  });
});

/** A random history: every kind of change to few rows, so that they meet, cut into runs at random. */
async function randomHistory({ client, sync }: Bench, seed: number, transactions: number): Promise<void> {
  const random = seededRandom(seed);
  const number = (): number => random.integer(1, 9);
  const value = (): string => random.pick(["'short'", "NULL", large(String(random.integer(1, 1_000_000)), 2400)]);
  const owners: Readonly<Record<string, () => string>> = {
    by_uuid: () => `md5('${number()}')::uuid`,
    by_text: () => `'owner ${number()}'`,
  };
  const owner = (table: string): string => (owners[table] ?? (() => String(number())))();
  const keyed = ["outside", "small", "by_text", "unique_title", "by_index", "numbered"];
  const statement = (): string => {
    const table = random.pick(["outside", "outside", "inside", "inside", "whole", "small", "by_uuid", "by_text", "everywhere", "unique_title", "by_index", "pairs", "numbered", "parts", "parts"]);
    const own = table !== "everywhere";
    const key = table === "inside" ? "owner, number" : table === "pairs" ? "owner, tag" : table === "whole" || table === "by_uuid" ? "owner" : "id";
    const kind = (): string => random.pick(["'a'", "'b'", "'c'"]);
    const where = random.pick([
      key.startsWith("owner") ? `owner = ${owner(table)}` : `id = ${number()}`,
      key.startsWith("owner") ? `owner IN (${owner(table)}, ${owner(table)})` : `id BETWEEN ${number()} AND ${number()}`,
    ]);
    if (table === "pairs") {
      return random.pick([`INSERT INTO pairs VALUES (${number()}, ${number()})`, `DELETE FROM pairs WHERE ${where}`, `UPDATE pairs SET owner = ${number()} WHERE tag = ${number()}`, `UPDATE pairs SET tag = ${number()} WHERE ${where}`]);
    }
    const insert = (): string => {
      const columns = ["title", "body", "extra", ...(own ? ["owner"] : []), ...(key === "id" ? ["id"] : []), ...(table === "inside" ? ["number"] : []), ...(table === "by_index" ? ["code"] : []), ...(table === "parts" ? ["kind"] : [])];
      const values = [`'title ${number()}'`, value(), value(), ...(own ? [owner(table)] : []), ...(key === "id" ? [number()] : []), ...(table === "inside" ? [random.integer(1, 3)] : []), ...(table === "by_index" ? [`'code ${number()}'`] : []), ...(table === "parts" ? [kind()] : [])];
      return `INSERT INTO ${table} (${columns.join()}) VALUES (${values.join()})`;
    };
    const update = (): string => {
      const sets = [
        ...(random.integer(1, 2) === 1 ? [`title = ${random.pick([`'title ${number()}'`, `'word ${random.integer(1, 99)}'`])}`] : []),
        ...(random.integer(1, 4) === 1 ? [`body = ${value()}`] : []),
        ...(random.integer(1, 4) === 1 ? [`extra = ${value()}`] : []),
        ...(own && random.integer(1, 2) === 1 ? [`owner = ${owner(table)}`] : []),
        ...(key === "id" && random.integer(1, 3) === 1 ? [`id = ${number()}`] : []),
        ...(table === "inside" && random.integer(1, 2) === 1 ? [`number = ${random.integer(1, 3)}`] : []),
        ...(table === "by_index" && random.integer(1, 2) === 1 ? [`code = 'code ${number()}'`] : []),
        ...(table === "parts" && random.integer(1, 2) === 1 ? [`kind = ${kind()}`] : []),
      ];
      return sets.length === 0 ? insert() : `UPDATE ${table} SET ${sets.join(", ")} WHERE ${where}`;
    };
    const swap = (): string => {
      const swapped = random.pick(keyed);
      const [a, b] = [number(), number()];
      return `UPDATE ${swapped} SET id = 100 WHERE id = ${a}; UPDATE ${swapped} SET id = ${a} WHERE id = ${b}; UPDATE ${swapped} SET id = ${b} WHERE id = 100`;
    };
    return random.pick([insert, insert, update, update, update, update, update, update, swap, () => `DELETE FROM ${table} WHERE ${where}`, () => (random.integer(1, 12) === 1 ? `TRUNCATE ${table}` : update())])();
  };
  for (let transaction = 0; transaction < transactions; transaction++) {
    await client.query("BEGIN");
    for (let change = random.integer(1, 8); change > 0; change--) {
      await client.query("SAVEPOINT change");
      const text = statement();
      // A key that is taken: the part is rolled back, as an application would.
      const done = await client.query(text).then(() => true, (error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "23505") return false;
        throw error;
      });
      if (!done || random.integer(1, 15) === 1) await client.query("ROLLBACK TO change");
    }
    await client.query(random.integer(1, 12) === 1 ? "ROLLBACK" : "COMMIT");
    if (random.integer(1, 40) === 1) await sync();
  }
  await sync();
}

describe("a value larger than everything that may be on the way", () => {
  it("is copied, streamed, and moved unchanged", async () => {
    const bench = await newBench("huge", ["outside"], "", false);
    const huge = (seed: number): string => `repeat(md5('${seed}'), 800000)`;
    await bench.client.query(`INSERT INTO outside VALUES (1, 1, 'copied', ${huge(1)}, 'short'), (2, 2, 'copied', 'short', 'short')`);
    await bench.sync();
    await bench.client.query(`UPDATE outside SET body = ${huge(2)}, title = 'streamed' WHERE id = 2; UPDATE outside SET owner = owner + 1`);
    await bench.client.query("UPDATE outside SET owner = owner + 1");
    await bench.sync();
  });
});

describe("a table that was copied before another", () => {
  it("is emptied alone where a TRUNCATE of both came between the two", async () => {
    const bench = await newBench("between", ["parents", "children"], "", false);
    const { client, pipeline } = bench;
    // The larger is copied first.
    await client.query("INSERT INTO parents SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i; INSERT INTO children SELECT i, 1 FROM generate_series(1, 20) i");
    const abort = new AbortController();
    const alone = { ...pipeline, general: { ...pipeline.general, reshardingParallelCopies: 1 } };
    await expect(
      runToEnd(alone, {
        signal: abort.signal,
        report: (event) => {
          if (event.type === "table-copied" && event.table === "parents") abort.abort();
        },
      }),
    ).rejects.toMatchObject({ code: "INTERRUPTED" });
    await client.query("TRUNCATE parents, children");
    await client.query("INSERT INTO parents SELECT i, 'new' FROM generate_series(10, 30) i; INSERT INTO children SELECT i, 2 FROM generate_series(10, 30) i");
    await bench.sync();
  });
});

describe("random histories", () => {
  const seeds = process.env["HISTORY_SEEDS"]?.split(",").map(Number) ?? [1, 2, 3];
  it.each(seeds)("end the same on source and shards (seed %i)", async (seed) => {
    await randomHistory(await newBench(`history_${seed}`, ALL), seed, 200);
  });
});
