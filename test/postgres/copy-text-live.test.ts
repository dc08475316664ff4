import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import type pg from "pg";
import { from as copyFrom, to } from "pg-copy-streams";
import { lastValueFrom, of, pipe, toArray } from "rxjs";
import { beforeAll, expect, test } from "vitest";
import type { KeyType } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { decodeTuples } from "../../src/operators/decode-tuples.js";
import { partitionRows } from "../../src/operators/partition-rows.js";
import { shardRows } from "../../src/operators/shard-rows.js";
import type { ValueFormat } from "../../src/postgres/value-format.js";
import type { CopyBatch, PartitionedRowBatch } from "../../src/row-batch.js";
import { keyRouter } from "../../src/sharding/key-router.js";
import { startTestCluster } from "../support/cluster.js";
import { cut } from "../support/copy-pieces.js";
import { readSlowly, scanTextPieces, textRow } from "../support/copy-text.js";

/** Strings with all that COPY escapes, and what looks like it. */
const trickyText = fc.string({
  unit: fc.oneof(fc.constantFrom("\\", "\t", "\n", "\r", "\b", "\f", "\v", "N", ".", "x", "4", "7", "a", " ", '"', "ä", "€", "😀", "\u2028", "\u0001", "\u007f"), fc.constantFrom("\\N", "\\.", "\\\\", "\r\n")),
  maxLength: 30,
});

let cluster: Cluster;
let client: pg.Client;

beforeAll(async () => {
  cluster = await startTestCluster();
  client = await cluster.connect();
  return async () => {
    await client.end();
  };
});

/** What the server sends, a piece for each CopyData message or several. */
async function copyOut(query: string, format: ValueFormat): Promise<Buffer[]> {
  const stream: Readable = client.query(to(`COPY (${query}) TO STDOUT (FORMAT ${format})`));
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(Buffer.from(piece as Buffer));
  return pieces;
}

test("the fields of a server's text COPY are the values, however the stream is cut", async () => {
  await client.query("CREATE TABLE texts (place int, first text, second text, raw bytea, list text[])");
  const values = fc.sample(fc.tuple(fc.option(trickyText), fc.option(trickyText)), { numRuns: 1500, seed: 11 });
  values.push(["", null], [null, ""], ["\\N", "\\."], ["\\.", "N"], ["x".repeat(40_000), "\\".repeat(40_000)], ["\n", "\t"]);
  await client.query(
    `INSERT INTO texts SELECT row_number() OVER (), v ->> 0, v ->> 1, convert_to(v ->> 0, 'UTF8'), ARRAY[v ->> 0, v ->> 1] FROM json_array_elements($1) AS v`,
    [JSON.stringify(values)],
  );
  const { rows: expected } = await client.query<{ fields: (Buffer | null)[] }>(
    `SELECT ARRAY[convert_to(first, 'UTF8'), convert_to(second, 'UTF8'), convert_to(raw::text, 'UTF8'), convert_to(list::text, 'UTF8')] AS fields FROM texts ORDER BY place`,
  );
  expect(expected.map(({ fields }) => fields.slice(0, 2).map((field) => field?.toString() ?? null))).toEqual(values);
  const pieces = await copyOut("SELECT first, second, raw, list FROM texts ORDER BY place", "text");
  const scanned = scanTextPieces(pieces);
  expect(scanned).toEqual(expected.map(({ fields }) => fields));

  const short = Buffer.concat(await copyOut("SELECT first, second, raw, list FROM texts WHERE place <= 300 ORDER BY place", "text"));
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), (at) => {
      expect(scanTextPieces(cut(short, at))).toEqual(scanned.slice(0, 300));
    }),
    { numRuns: 50 },
  );
});

test("escapes of every kind mean what they mean to the server", async () => {
  // Without what the server refuses: an end mark within a line, and in the result a zero byte or broken UTF-8.
  const written = fc
    .array(fc.oneof(fc.constantFrom("a", "N", "x", "0", "8", "f", "G", "é", "\\N", "\\\\", "\\\n", "\\\t", "\\x", "\\xg", "\\b", "\\f", "\\n", "\\r", "\\t", "\\v", "\\q", "\\é"), fc.nat(0o777).map((byte) => `\\${byte.toString(8)}`), fc.nat(255).map((byte) => `\\x${byte.toString(16)}`)), { maxLength: 6 })
    .map((parts) => Buffer.from(parts.join("")));
  const lines = fc.sample(fc.tuple(written, written), { numRuns: 8000, seed: 5 }).map(textRow);
  const readable = (value: Buffer | null | undefined): boolean => value === null || (value !== undefined && !value.includes(0) && Buffer.from(value.toString("utf8")).equals(value));
  const accepted = lines.filter((line) => {
    const [row] = readSlowly(line);
    return row?.length === 2 && row.every(readable);
  });
  expect(accepted.length).toBeGreaterThan(1000);
  await client.query("CREATE TABLE unescaped (place serial, first text, second text)");
  const sink: Writable = client.query(copyFrom("COPY unescaped (first, second) FROM STDIN (FORMAT text)"));
  await pipeline([Buffer.concat(accepted)], sink);
  const { rows } = await client.query<{ fields: (Buffer | null)[] }>("SELECT ARRAY[convert_to(first, 'UTF8'), convert_to(second, 'UTF8')] AS fields FROM unescaped ORDER BY place");
  expect(scanTextPieces(accepted)).toEqual(rows.map(({ fields }) => fields));
});

const KEYS: readonly [column: string, dataType: KeyType][] = [["big", "bigint"], ["medium", "bigint"], ["small", "bigint"], ["ident", "uuid"], ["label", "varchar"], ["short", "varchar"]];

test("the same rows go to the same shards in text and in binary, and arrive the same", async () => {
  await client.query("CREATE DOMAIN number AS bigint; CREATE TABLE keyed (place int, note text, label text, big number, medium int, small smallint, ident uuid, short varchar(40))");
  const integers = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 0n, -1n), fc.bigInt({ min: -50n, max: 50n }));
  const rows = fc.sample(fc.tuple(fc.option(trickyText), trickyText, integers, fc.uuid(), trickyText), { numRuns: 4000, seed: 3 });
  await client.query(
    `INSERT INTO keyed SELECT row_number() OVER (), v ->> 0, v ->> 1, (v ->> 2)::int8, (v ->> 3)::int4, (v ->> 4)::int2, (v ->> 5)::uuid, v ->> 6 FROM json_array_elements($1) AS v`,
    [JSON.stringify(rows.map(([note, label, big, ident, short]) => [note, label, big.toString(), BigInt.asIntN(32, big).toString(), BigInt.asIntN(16, big).toString(), ident, short]))],
  );
  const columns = ["note", "label", "big", "medium", "small", "ident", "short"];
  const pieces = { binary: await copyOut(`SELECT ${columns.join()} FROM keyed ORDER BY place`, "binary"), text: await copyOut(`SELECT ${columns.join()} FROM keyed ORDER BY place`, "text") };
  const table = { schema: "public", name: "keyed", columns: columns.map((name) => ({ name })) };

  for (const [column, dataType] of KEYS) {
    for (const hasher of ["postgres", "sha1"] as const) {
      const shards = 5;
      const route = { kind: "key", column, dataType, shardOf: keyRouter({ dataType, hasher, mapping: [] }, shards) } as const;
      const flow = async (format: ValueFormat): Promise<{ shards: number[]; parts: PartitionedRowBatch }> => {
        const sharded = await lastValueFrom(of(batchOf(pieces[format])).pipe(decodeTuples({ columns: columns.length, format }), shardRows({ table, route, format })));
        return { shards: [...sharded.shards], parts: (await lastValueFrom(pipe(partitionRows(shards), toArray())(of(sharded))))[0]! };
      };
      const [binary, text] = [await flow("binary"), await flow("text")];
      expect(text.shards, `${column} by ${hasher}`).toEqual(binary.shards);
      expect(new Set(text.shards).size).toBe(shards);
      expect(text.parts.counts).toEqual(binary.parts.counts);
      expect(text.parts.parts.map((part) => readSlowly(part).length)).toEqual(text.parts.counts);
    }
  }
  // The parts of one partition, sent to a server again, are the table.
  const { parts } = await lastValueFrom(
    of(batchOf(pieces.text)).pipe(decodeTuples({ format: "text" }), shardRows({ table, route: { kind: "key", column: "label", dataType: "varchar", shardOf: keyRouter({ dataType: "varchar", hasher: "postgres", mapping: [] }, 3) }, format: "text" }), partitionRows(3)),
  );
  await client.query("CREATE TABLE again (LIKE keyed)");
  for (const part of parts) await pipeline([part], client.query(copyFrom(`COPY again (${columns.join()}) FROM STDIN (FORMAT text)`)));
  const { rows: differing } = await client.query(`(SELECT ${columns.join()} FROM keyed EXCEPT ALL SELECT ${columns.join()} FROM again) UNION ALL (SELECT ${columns.join()} FROM again EXCEPT ALL SELECT ${columns.join()} FROM keyed)`);
  expect(differing).toEqual([]);
});

test("a NULL key, and a row with too few fields, are told", async () => {
  const table = { schema: "public", name: "keyed", columns: [{ name: "id" }, { name: "owner" }] };
  const route = { kind: "key", column: "owner", dataType: "bigint", shardOf: keyRouter({ dataType: "bigint", hasher: "postgres", mapping: [] }, 2) } as const;
  const shard = async (text: string): Promise<unknown> => await lastValueFrom(of(batchOf([Buffer.from(text)])).pipe(decodeTuples({ format: "text" }), shardRows({ table, route, format: "text" })));
  await expect(shard("1\t\\N\n")).rejects.toMatchObject({ code: "SHARDING_KEY_NULL" });
  await expect(shard("1\n2\t3\n")).rejects.toMatchObject({ code: "DEFECT", message: "a copied row of keyed has fewer than 2 fields" });
  await expect(shard("1\t2\n3\t4")).rejects.toMatchObject({ code: "COPY_MALFORMED" });
});

/** All pieces in one batch, five bytes before each, as a source hands them on; the batch ends the copy. */
function batchOf(pieces: readonly Buffer[]): CopyBatch {
  const starts = new Uint32Array(pieces.length);
  const ends = new Uint32Array(pieces.length);
  let at = 0;
  pieces.forEach((piece, index) => {
    starts[index] = at + 5;
    ends[index] = at += 5 + piece.length;
  });
  const buffer = Buffer.concat(pieces.flatMap((piece) => [Buffer.alloc(5, "\n"), piece]));
  return { sequence: 0, bytes: buffer.length, resume: 1n, buffer, count: pieces.length, starts, ends };
}
