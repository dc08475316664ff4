import { expect, test } from "vitest";
import type { RowSet } from "../../src/apply-step.js";
import { ABSENT } from "../../src/postgres/tuple-values.js";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import { completeRows } from "../../src/sources/source-rows.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();

/** Rows of values: undefined is absent, a string is sent as text, a buffer in binary. */
function rowSet(relation: PgoutputRelation, rows: readonly (readonly (Buffer | string | null | undefined)[])[]): RowSet {
  const pieces: Buffer[] = [Buffer.from([0])];
  let end = 1;
  const offsets = rows.flat().map((value) => {
    if (value === undefined) return ABSENT;
    const at = end;
    const head = Buffer.from(value === null ? "n" : `${typeof value === "string" ? "t" : "b"}\0\0\0\0`);
    if (value !== null) head.writeInt32BE(Buffer.byteLength(value), 1);
    const piece = value === null ? head : Buffer.concat([head, Buffer.from(value)]);
    pieces.push(piece);
    end += piece.length;
    return at;
  });
  return { relation, buffer: Buffer.concat(pieces), count: rows.length, offsets: Int32Array.from(offsets) };
}

function valuesOf(rows: RowSet): (string | null)[][] {
  const width = rows.relation.columns.length;
  return Array.from({ length: rows.count }, (_, row) => Array.from({ length: width }, (__, column) => {
    const at = rows.offsets[row * width + column]!;
    return rows.buffer[at] === 0x6e ? null : `${String.fromCharCode(rows.buffer[at]!)}:${rows.buffer.toString("hex", at + 5, at + 5 + rows.buffer.readInt32BE(at + 1))}`;
  }));
}

test("fills in what rows do not carry, by a key of several columns, and leaves out rows that are gone", async () => {
  const client = await cluster.connect();
  await client.query(`CREATE SCHEMA "Ä b"; CREATE TABLE "Ä b"."t ""x" (doc text, "Key 1" int, raw bytea, "key 2" varchar(9), PRIMARY KEY ("Key 1", "key 2"))`);
  await client.query(`INSERT INTO "Ä b"."t ""x" VALUES ('large', 7, '\\x00ff', 'a'), (NULL, 7, '', 'b'), ('other', 8, NULL, 'a')`);
  const relation: PgoutputRelation = {
    kind: "relation", xid: undefined, oid: 1, schema: "Ä b", name: 't "x', replicaIdentity: "d",
    columns: ["raw", "key 2", "doc", "Key 1"].map((name) => ({ name, typeOid: 0, typeModifier: -1, partOfKey: name.toLowerCase().startsWith("key") })),
  };
  const seven = Buffer.from([0, 0, 0, 7]);
  const rows = rowSet(relation, [
    [undefined, Buffer.from("a"), undefined, seven],
    [undefined, Buffer.from("a"), undefined, Buffer.from([0, 0, 0, 9])],
    [undefined, "b", undefined, "7"],
    [Buffer.from([1]), Buffer.from("a"), undefined, Buffer.from([0, 0, 0, 8])],
    [undefined, Buffer.from("a"), null, seven],
  ]);
  const hex = (text: string): string => `b:${Buffer.from(text).toString("hex")}`;
  const table = { key: ["Key 1", "key 2"], partitioned: false, isText: () => false };
  expect(valuesOf(await completeRows(client, rows, [0, 1, 2, 3, 4], table))).toEqual([
    ["b:00ff", hex("a"), hex("large"), "b:00000007"],
    ["b:", "t:62", null, "t:37"],
    ["b:01", hex("a"), hex("other"), "b:00000008"],
    ["b:00ff", hex("a"), null, "b:00000007"],
  ]);
  expect(valuesOf(await completeRows(client, rows, [2], table))).toHaveLength(1);
  expect((await completeRows(client, rows, [1], table)).count).toBe(0);
});

test("reads a partitioned table whole, and of a parent no row of a child", async () => {
  const client = await cluster.connect();
  await client.query(`
    CREATE TABLE parent (id int PRIMARY KEY, doc text); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent); INSERT INTO child VALUES (1, 'of the child');
    CREATE TABLE root (id int PRIMARY KEY, doc text) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF root FOR VALUES IN (1); INSERT INTO root VALUES (1, 'of the leaf')`);
  const relation = (name: string): PgoutputRelation => ({
    kind: "relation", xid: undefined, oid: 1, schema: "public", name, replicaIdentity: "d",
    columns: ["id", "doc"].map((column) => ({ name: column, typeOid: 0, typeModifier: -1, partOfKey: column === "id" })),
  });
  const completed = async (name: string, partitioned: boolean): Promise<unknown> => valuesOf(await completeRows(client, rowSet(relation(name), [["1", undefined]]), [0], { key: ["id"], partitioned, isText: () => false }));
  expect(await completed("parent", false)).toEqual([]);
  expect(await completed("root", true)).toEqual([["t:31", `b:${Buffer.from("of the leaf").toString("hex")}`]]);
});
