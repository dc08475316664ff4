import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseLsn } from "../../src/postgres/lsn.js";
import { decodePgoutputMessage } from "../../src/postgres/pgoutput-message.js";
import { startTestCluster } from "../support/cluster.js";
import { encodePgoutputMessage, type Tuple, type WholeMessage, wholeMessage } from "../support/pgoutput.js";

const cluster = await startTestCluster({ settings: { max_prepared_transactions: 10 } });
let client: pg.Client;
let databases = 0;

beforeAll(async () => {
  client = await cluster.connect();
});
afterAll(async () => {
  await client.end();
});

interface Received {
  readonly lsn: bigint;
  readonly message: WholeMessage;
}

/** A database of its own with a slot, so that no test sees the changes of another. */
async function withSlot(schema: string, body: (client: pg.Client) => Promise<void>): Promise<void> {
  databases += 1;
  const database = `live_${databases}`;
  await client.query(`CREATE DATABASE ${database}`);
  const own = await cluster.connect(database);
  try {
    await own.query(schema);
    await own.query("CREATE PUBLICATION p FOR ALL TABLES");
    await own.query(`SELECT pg_create_logical_replication_slot('slot_${databases}', 'pgoutput', false, true)`);
    await body(own);
    await own.query(`SELECT pg_drop_replication_slot('slot_${databases}')`);
  } finally {
    await own.end();
  }
}

/** What the slot holds, decoded; every message must also encode to the very bytes that the server sent. */
async function received(from: pg.Client, options: Readonly<Record<string, string>> = {}): Promise<Received[]> {
  const all = { proto_version: "4", publication_names: "p", binary: "true", messages: "true", ...options };
  const { rows } = await from.query<{ lsn: string; data: Buffer }>(
    `SELECT lsn::text, data FROM pg_logical_slot_peek_binary_changes('slot_${databases}', NULL, NULL, VARIADIC $1::text[])`,
    [Object.entries(all).flat()],
  );
  const parallel = options["streaming"] === "parallel";
  let streaming = false;
  return rows.map(({ lsn, data }) => {
    const context = { streaming, parallel };
    const message = wholeMessage(decodePgoutputMessage(data, 0, data.length, context), data);
    expect(encodePgoutputMessage(message, context)).toEqual(data);
    if (message.kind === "stream-start") streaming = true;
    if (message.kind === "stream-stop") streaming = false;
    return { lsn: parseLsn(lsn), message };
  });
}

/** Only what a test is about: transactions and tables are checked in tests of their own. */
function changes(messages: readonly Received[]): WholeMessage[] {
  return messages.map(({ message }) => message).filter(({ kind }) => ["insert", "update", "delete", "truncate"].includes(kind));
}

/** A row as text, each value decoded by its kind; `int4` and `text` values only. */
function shown(tuple: Tuple | null): (string | number | null)[] | null {
  if (tuple === null) return null;
  return tuple.map((column) => {
    if (column.kind === "null") return null;
    if (column.kind === "unchanged") return "(unchanged)";
    if (column.kind === "text") return `text:${column.value.toString()}`;
    return column.value.length === 4 && column.value[0] === 0 ? column.value.readInt32BE() : column.value.toString();
  });
}

async function oidOf(from: pg.Client, table: string): Promise<number> {
  const { rows } = await from.query<{ oid: number }>("SELECT $1::regclass::oid AS oid", [table]);
  return rows[0]!.oid;
}

async function currentXid(from: pg.Client): Promise<number> {
  const { rows } = await from.query<{ xid: string }>("SELECT pg_current_xact_id()::xid::text AS xid");
  return Number(rows[0]!.xid);
}

describe("what a live server sends", () => {
  test("begin, relation, type, changes, commit of two tables", async () => {
    await withSlot(
      `CREATE TYPE "Mood" AS ENUM ('sad', 'glad');
       CREATE SCHEMA "other place";
       CREATE DOMAIN "other place".score AS numeric(5, 2);
       CREATE TABLE people (id int PRIMARY KEY, name varchar(40), mood "Mood", score "other place".score, doubled int GENERATED ALWAYS AS (id * 2) STORED);
       CREATE TABLE "other place"."Straße" ("Nr." int PRIMARY KEY)`,
      async (own) => {
        await own.query("BEGIN");
        const xid = await currentXid(own);
        await own.query("INSERT INTO people VALUES (1, 'Ann', 'glad', 1.50), (2, NULL, NULL, NULL)");
        await own.query(`INSERT INTO "other place"."Straße" VALUES (7)`);
        await own.query("COMMIT");
        await own.query("INSERT INTO people VALUES (3, '', 'sad', NULL)");

        const messages = await received(own);
        expect(messages.map(({ message }) => message.kind)).toEqual([
          "begin", "type", "type", "relation", "insert", "insert", "relation", "insert", "commit", "begin", "insert", "commit",
        ]);
        const [begin, moodType, scoreType, people, first, second, street, third, commit] = messages.map(({ message }) => message);
        const types = await own.query<{ mood: number; score: number }>(`SELECT '"Mood"'::regtype::oid AS mood, '"other place".score'::regtype::oid AS score`);
        const { mood, score } = types.rows[0]!;
        if (begin?.kind !== "begin" || commit?.kind !== "commit") throw new Error("not a transaction");
        expect(begin.xid).toBe(xid);
        expect(begin.finalLsn).toBe(commit.commitLsn);
        expect(commit.endLsn > commit.commitLsn).toBe(true);
        expect(commit.commitTime).toBe(begin.commitTime);
        // Since 2000, in microseconds: within a day of this machine's clock.
        const commitTime = Date.UTC(2000, 0, 1) + Number(begin.commitTime / 1000n);
        expect(Math.abs(commitTime - Date.now())).toBeLessThan(86_400_000);
        expect(moodType).toMatchObject({ kind: "type", oid: mood, schema: "public", name: "Mood" });
        expect(scoreType).toMatchObject({ kind: "type", oid: score, schema: "pg_catalog", name: "numeric" });
        const oid = await oidOf(own, "people");
        expect(people).toMatchObject({
          kind: "relation", oid, schema: "public", name: "people", replicaIdentity: "d", xid: undefined,
          columns: [
            { name: "id", typeOid: 23, typeModifier: -1, partOfKey: true },
            { name: "name", typeOid: 1043, typeModifier: 44, partOfKey: false },
            { name: "mood", typeOid: mood, typeModifier: -1, partOfKey: false },
            { name: "score", typeOid: score, partOfKey: false },
          ],
        });
        expect(street).toMatchObject({ oid: await oidOf(own, `"other place"."Straße"`), schema: "other place", name: "Straße", columns: [{ name: "Nr." }] });
        if (first?.kind !== "insert" || second?.kind !== "insert" || third?.kind !== "insert") throw new Error("not inserts");
        const { rows: sent } = await own.query<{ values: Buffer[] }>(
          "SELECT ARRAY[int4send(id), varcharsend(name), enum_send(mood), numeric_send(score)] AS values FROM people WHERE id = 1",
        );
        expect(first).toEqual({ kind: "insert", xid: undefined, relation: oid, newTuple: sent[0]!.values.map((value) => ({ kind: "binary", value })) });
        expect(shown(second.newTuple)).toEqual([2, null, null, null]);
        expect(shown(third.newTuple)).toEqual([7]);
      },
    );
  });

  test("text values where binary is off or a type cannot send", async () => {
    await withSlot("CREATE TABLE t (id int PRIMARY KEY, acl aclitem, note text)", async (own) => {
      await own.query("INSERT INTO t VALUES (5, 'postgres=r/postgres', 'ä')");
      const inserted = (messages: readonly Received[]): unknown => {
        const [insert] = changes(messages);
        if (insert?.kind !== "insert") throw new Error("no insert");
        return shown(insert.newTuple);
      };
      expect(inserted(await received(own))).toEqual([5, "text:postgres=r/postgres", "ä"]);
      for (const version of ["1", "2", "3", "4"]) {
        expect(inserted(await received(own, { binary: "false", proto_version: version }))).toEqual(["text:5", "text:postgres=r/postgres", "text:ä"]);
      }
    });
  });

  test("updates and deletes under every replica identity, unchanged TOAST, a table altered in between", async () => {
    await withSlot(
      `CREATE TABLE by_key (id int PRIMARY KEY, note text, big text);
       ALTER TABLE by_key ALTER big SET STORAGE EXTERNAL;
       CREATE TABLE in_full (id int, note text, big text);
       ALTER TABLE in_full REPLICA IDENTITY FULL;
       ALTER TABLE in_full ALTER big SET STORAGE EXTERNAL;
       CREATE TABLE by_index (id int PRIMARY KEY, code text NOT NULL UNIQUE);
       ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_code_key;
       CREATE TABLE only_inserts (id int);
       ALTER TABLE only_inserts REPLICA IDENTITY NOTHING`,
      async (own) => {
        const big = "x".repeat(9000);
        for (const table of ["by_key", "in_full"]) {
          await own.query(`INSERT INTO ${table} VALUES (1, 'one', $1)`, [big]);
          await own.query(`UPDATE ${table} SET note = 'uno'`);
          await own.query(`UPDATE ${table} SET id = 2`);
          await own.query(`UPDATE ${table} SET big = 'small'`);
          await own.query(`DELETE FROM ${table}`);
        }
        await own.query("INSERT INTO by_index VALUES (1, 'a')");
        await own.query("UPDATE by_index SET id = 2");
        await own.query("UPDATE by_index SET code = 'b'");
        await own.query("DELETE FROM by_index");
        await own.query("INSERT INTO only_inserts VALUES (1)");
        await own.query("ALTER TABLE by_index ADD extra int");
        await own.query("INSERT INTO by_index VALUES (3, 'c', 4)");

        const messages = await received(own);
        const identities = messages.flatMap(({ message }) =>
          message.kind === "relation" ? [[message.name, message.replicaIdentity, message.columns.filter(({ partOfKey }) => partOfKey).map(({ name }) => name)]] : [],
        );
        expect(identities).toEqual([
          ["by_key", "d", ["id"]],
          ["in_full", "f", ["id", "note", "big"]],
          ["by_index", "i", ["code"]],
          ["only_inserts", "n", []],
          ["by_index", "i", ["code"]],
        ]);
        const byKey = await oidOf(own, "by_key");
        const inFull = await oidOf(own, "in_full");
        const byIndex = await oidOf(own, "by_index");
        const onlyInserts = await oidOf(own, "only_inserts");
        const rows = changes(messages).map((change) => {
          if (change.kind === "insert") return ["insert", change.relation, shown(change.newTuple)];
          if (change.kind === "update") return ["update", change.relation, change.oldKind, shown(change.oldTuple), shown(change.newTuple)];
          if (change.kind === "delete") return ["delete", change.relation, change.oldKind, shown(change.oldTuple)];
          throw new Error(change.kind);
        });
        expect(rows).toEqual([
          ["insert", byKey, [1, "one", big]],
          ["update", byKey, "none", null, [1, "uno", "(unchanged)"]],
          ["update", byKey, "key", [1, null, null], [2, "uno", "(unchanged)"]],
          ["update", byKey, "none", null, [2, "uno", "small"]],
          ["delete", byKey, "key", [2, null, null]],
          ["insert", inFull, [1, "one", big]],
          ["update", inFull, "full", [1, "one", big], [1, "uno", "(unchanged)"]],
          ["update", inFull, "full", [1, "uno", big], [2, "uno", "(unchanged)"]],
          ["update", inFull, "full", [2, "uno", big], [2, "uno", "small"]],
          ["delete", inFull, "full", [2, "uno", "small"]],
          ["insert", byIndex, [1, "a"]],
          ["update", byIndex, "none", null, [2, "a"]],
          ["update", byIndex, "key", [null, "a"], [2, "b"]],
          ["delete", byIndex, "key", [null, "b"]],
          ["insert", onlyInserts, [1]],
          ["insert", byIndex, [3, "c", 4]],
        ]);
      },
    );
  });

  test("truncates with their flags and all their tables", async () => {
    await withSlot("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)", async (own) => {
      await own.query("TRUNCATE b");
      await own.query("TRUNCATE a, b RESTART IDENTITY");
      await own.query("TRUNCATE a CASCADE");
      const [a, b] = [await oidOf(own, "a"), await oidOf(own, "b")];
      expect(changes(await received(own))).toEqual([
        { kind: "truncate", xid: undefined, relations: [b], cascade: false, restartIdentity: false },
        { kind: "truncate", xid: undefined, relations: [a, b], cascade: false, restartIdentity: true },
        { kind: "truncate", xid: undefined, relations: [a, b], cascade: true, restartIdentity: false },
      ]);
    });
  });

  test("logical messages, inside of a transaction and outside", async () => {
    await withSlot("", async (own) => {
      const emitted = await own.query<{ lsn: string }>("SELECT pg_logical_emit_message(false, 'préfixe', 'now'::text)::text AS lsn");
      await own.query("BEGIN; SELECT pg_logical_emit_message(true, '', '\\x0001ff'::bytea); COMMIT");
      const messages = await received(own);
      expect(messages.map(({ message }) => message.kind)).toEqual(["message", "begin", "message", "commit"]);
      expect(messages[0]!.message).toMatchObject({ transactional: false, prefix: "préfixe", content: Buffer.from("now"), xid: undefined });
      expect(messages[0]!.lsn <= parseLsn(emitted.rows[0]!.lsn)).toBe(true);
      expect(messages[2]!.message).toMatchObject({ transactional: true, prefix: "", content: Buffer.from([0, 1, 0xff]) });
    });
  });

  test("the origin of a replayed transaction", async () => {
    await withSlot("CREATE TABLE t (id int PRIMARY KEY)", async (own) => {
      await own.query("SELECT pg_replication_origin_create('far away')");
      await own.query("SELECT pg_replication_origin_session_setup('far away')");
      await own.query("BEGIN; SELECT pg_replication_origin_xact_setup('AB/CD', now()); INSERT INTO t VALUES (1); COMMIT");
      await own.query("SELECT pg_replication_origin_session_reset()");
      const messages = await received(own);
      expect(messages.map(({ message }) => message.kind)).toEqual(["begin", "origin", "relation", "insert", "commit"]);
      expect(messages[1]!.message).toEqual({ kind: "origin", commitLsn: parseLsn("AB/CD"), name: "far away" });
      expect(await received(own, { origin: "none" })).toEqual([]);
      await own.query("SELECT pg_replication_origin_drop('far away')");
    });
  });

  test("prepared transactions, committed and rolled back", async () => {
    await withSlot("CREATE TABLE t (id int PRIMARY KEY)", async (own) => {
      await own.query("BEGIN");
      const first = await currentXid(own);
      await own.query("INSERT INTO t VALUES (1); PREPARE TRANSACTION 'kept ü'");
      await own.query("COMMIT PREPARED 'kept ü'");
      await own.query("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'undone'");
      await own.query("ROLLBACK PREPARED 'undone'");
      const messages = (await received(own)).map(({ message }) => message);
      expect(messages.map(({ kind }) => kind)).toEqual([
        "begin-prepare", "relation", "insert", "prepare", "commit-prepared", "begin-prepare", "insert", "prepare", "rollback-prepared",
      ]);
      const [begin, , , prepare, commit, , , undone, rollback] = messages;
      if (begin?.kind !== "begin-prepare" || prepare?.kind !== "prepare" || commit?.kind !== "commit-prepared") throw new Error("not prepared");
      expect([begin.gid, prepare.gid, commit.gid]).toEqual(["kept ü", "kept ü", "kept ü"]);
      expect([begin.xid, prepare.xid, commit.xid]).toEqual([first, first, first]);
      expect([begin.prepareLsn, begin.endLsn]).toEqual([prepare.prepareLsn, prepare.endLsn]);
      expect(commit.commitLsn >= prepare.endLsn && commit.endLsn > commit.commitLsn).toBe(true);
      if (undone?.kind !== "prepare" || rollback?.kind !== "rollback-prepared") throw new Error("not rolled back");
      expect(rollback).toMatchObject({ gid: "undone", xid: undone.xid, prepareEndLsn: undone.endLsn, prepareTime: undone.prepareTime });
      expect(rollback.rollbackEndLsn > undone.endLsn).toBe(true);
    });
  });

  describe.each(["on", "parallel"])("a transaction larger than memory, streaming %s", (streaming) => {
    test("comes in pieces, a rolled back subtransaction apart", async () => {
      await withSlot("CREATE TABLE t (id int PRIMARY KEY, filler text)", async (own) => {
        const insert = "INSERT INTO t SELECT i, repeat('f', 100) FROM generate_series($1::int, $2::int) AS i";
        await own.query("BEGIN");
        const xid = await currentXid(own);
        await own.query(insert, [1, 2000]);
        await own.query("SAVEPOINT s");
        await own.query(insert, [2001, 4000]);
        await own.query("TRUNCATE t");
        await own.query("SELECT pg_logical_emit_message(true, 'inside', repeat('m', 100))");
        await own.query("ROLLBACK TO s");
        await own.query(insert, [4001, 6000]);
        await own.query("COMMIT");
        await own.query("SET logical_decoding_work_mem = '64kB'");

        const messages = (await received(own, { streaming })).map(({ message }) => message);
        const kinds = messages.map(({ kind }) => kind);
        expect(kinds.filter((kind) => kind === "stream-start").length).toBeGreaterThan(2);
        expect(messages[0]).toEqual({ kind: "stream-start", xid, firstSegment: true });
        const starts = messages.filter((message) => message.kind === "stream-start");
        expect(starts.slice(1).every((start) => start.xid === xid && !start.firstSegment)).toBe(true);
        expect(kinds.filter((kind) => kind === "stream-stop").length).toBe(starts.length);

        // What a subscriber would keep: rows by transaction id, less those of rolled back subtransactions.
        const rows = new Map<number, number[]>();
        const aborts = [];
        for (const message of messages) {
          if (message.kind === "insert") {
            if (message.xid === undefined) throw new Error("a streamed insert without its transaction");
            const id = message.newTuple[0];
            if (id?.kind !== "binary") throw new Error("no id");
            rows.set(message.xid, [...(rows.get(message.xid) ?? []), id.value.readInt32BE()]);
          }
          if (message.kind === "stream-abort") aborts.push(message);
        }
        expect(aborts.length).toBeGreaterThan(0);
        for (const abort of aborts) {
          expect(abort.xid).toBe(xid);
          expect(abort.subxid).not.toBe(xid);
          expect(typeof abort.abortLsn).toBe(streaming === "parallel" ? "bigint" : "undefined");
          expect(typeof abort.abortTime).toBe(streaming === "parallel" ? "bigint" : "undefined");
          rows.delete(abort.subxid);
        }
        const kept = await own.query<{ id: number }>("SELECT id FROM t ORDER BY id");
        expect([...rows.values()].flat().sort((a, b) => a - b)).toEqual(kept.rows.map(({ id }) => id));
        expect(messages.at(-1)).toMatchObject({ kind: "stream-commit", xid });
        const relation = messages.find((message) => message.kind === "relation");
        expect(typeof relation?.xid).toBe("number");
      });
    });

    test("can be prepared", async () => {
      await withSlot("CREATE TABLE t (id int PRIMARY KEY, filler text)", async (own) => {
        await own.query("BEGIN; INSERT INTO t SELECT i, repeat('f', 100) FROM generate_series(1, 2000) AS i; PREPARE TRANSACTION 'large'");
        await own.query("COMMIT PREPARED 'large'");
        await own.query("SET logical_decoding_work_mem = '64kB'");
        const messages = (await received(own, { streaming })).map(({ message }) => message);
        expect(messages.filter(({ kind }) => kind === "insert").length).toBe(2000);
        const [prepare, commit] = messages.slice(-2);
        if (prepare?.kind !== "stream-prepare" || commit?.kind !== "commit-prepared") throw new Error("not prepared");
        expect([prepare.gid, commit.gid, commit.xid]).toEqual(["large", "large", prepare.xid]);
      });
    });
  });
});
