import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { beforeAll, describe, expect, test } from "vitest";
import { CopySplitter } from "../../../src/gateway/sharded/split-copy.js";
import type { CopyInPlan, KeySet } from "../../../src/gateway/planning/statement-plan.js";
import type { KeyType } from "../../../src/config/types.js";
import { encodeCopyHeader, encodeTuple } from "../../../src/postgres/copy-binary.js";
import { keyRouter } from "../../../src/sharding/key-router.js";
import { startTestCluster } from "../../support/cluster.js";

const SHARDS = 3;
/** Which column is the key, by its type. */
const KEYS: readonly { readonly column: number; readonly dataType: KeyType; readonly sql: string }[] = [
  { column: 0, dataType: "bigint", sql: "n" },
  { column: 1, dataType: "varchar", sql: "t" },
  { column: 2, dataType: "uuid", sql: "u" },
];
const COLUMNS = 4;

const TEXT: Pick<CopyInPlan, "format" | "delimiter" | "nullText" | "quote" | "escape" | "header"> = { format: "text", delimiter: "\t", nullText: "\\N", quote: '"', escape: '"', header: false };
const FORMATS = [
  { ...TEXT, options: "FORMAT text" },
  { ...TEXT, delimiter: "|", nullText: "zö", header: true, options: "FORMAT text, DELIMITER '|', NULL 'zö', HEADER" },
  { ...TEXT, format: "csv", delimiter: ",", nullText: "", options: "FORMAT csv" },
  { ...TEXT, format: "csv", delimiter: ";", nullText: "nil", quote: "'", escape: "\\", header: true, options: String.raw`FORMAT csv, DELIMITER ';', NULL 'nil', QUOTE '''', ESCAPE '\', HEADER, FORCE_QUOTE (t, v)` },
  { ...TEXT, format: "csv", delimiter: "\t", nullText: "\\N", quote: "q", escape: "e", options: String.raw`FORMAT csv, DELIMITER E'\t', NULL '\N', QUOTE 'q', ESCAPE 'e'` },
  { ...TEXT, format: "binary", options: "FORMAT binary" },
] as const;

function planOf(format: (typeof FORMATS)[number], key: { readonly column: number; readonly dataType: KeyType }, columns = COLUMNS): { plan: CopyInPlan; where: Extract<CopyInPlan["where"], { kind: "key" }> } {
  const keySet: KeySet = { dataType: key.dataType, values: [], stored: true, shardOf: keyRouter({ dataType: key.dataType, hasher: "postgres", mapping: [] }, SHARDS) };
  const where = { kind: "key" as const, column: key.column, columns, keySet };
  return { plan: { kind: "copy-in", where, everywhere: [], ...format }, where };
}

function split(splitter: CopySplitter, chunks: Iterable<Buffer>): Buffer[] {
  const parts: Buffer[][] = Array.from({ length: SHARDS }, () => []);
  const collect = (): void => {
    splitter.parts.forEach((part, shard) => parts[shard]!.push(...part.splice(0).map((bytes) => Buffer.from(bytes))));
  };
  for (const chunk of chunks) {
    splitter.feed(chunk);
    collect();
  }
  splitter.finish();
  collect();
  return parts.map((part) => Buffer.concat(part));
}

function* pieces(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    // Of its own memory, as a client's message: it is gone afterwards.
    const piece = Buffer.from(bytes.subarray(at, at + size));
    yield piece;
    at += size;
  }
}

let client: pg.Client;

beforeAll(async () => {
  const cluster = await startTestCluster();
  client = await cluster.connect();
  await client.query("CREATE TABLE origin (n int8 NOT NULL, t text NOT NULL, u uuid NOT NULL, v text)");
  for (let shard = 0; shard < SHARDS; shard++) await client.query(`CREATE TABLE shard_${shard} (LIKE origin)`);
  const odd = fc.string({ unit: fc.constantFrom("a", "q", "e", "\\", "\n", "\r", "\t", ",", ";", "'", '"', "|", "N", ".", "ä", "😀", " "), maxLength: 12 });
  const rows = fc.sample(fc.record({ n: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), t: fc.oneof(odd, fc.constantFrom("\\N", "\\.", "", "nil", "NULL")), u: fc.uuid(), v: fc.option(odd) }), 500);
  await client.query("INSERT INTO origin SELECT * FROM unnest($1::int8[], $2::text[], $3::uuid[], $4::text[])", [rows.map(({ n }) => String(n)), rows.map(({ t }) => t), rows.map(({ u }) => u), rows.map(({ v }) => v)]);
  // A row longer than any message.
  await client.query("INSERT INTO origin VALUES (7, repeat(E'long \"\\n\\\\ ', 30000), gen_random_uuid(), NULL)");
});

async function copied(options: string, from = "origin"): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.query(copyTo(`COPY ${from} TO STDOUT (${options})`))) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe.each(FORMATS)("$options", (format) => {
  test.each(KEYS)("by $dataType", async (key) => {
    for (const sizes of [[65_536], [1], [7, 1, 300]]) {
      const bytes = await copied(format.options, sizes[0] === 65_536 ? "origin" : "(SELECT * FROM origin WHERE length(t) < 1000 LIMIT 100)");
      const { plan, where } = planOf(format, key);
      const parts = split(new CopySplitter(plan, where, SHARDS), pieces(bytes, sizes));
      if (sizes[0] === 65_536) {
        // The shards take what is theirs, and it is all there is.
        for (const [shard, part] of parts.entries()) {
          await client.query(`TRUNCATE shard_${shard}`);
          await pipeline(Readable.from([part]), client.query(copyFrom(`COPY shard_${shard} FROM STDIN (${format.options.replace(/, FORCE_QUOTE.*/, "")})`)));
        }
        const union = parts.map((_, shard) => `SELECT * FROM shard_${shard}`).join(" UNION ALL ");
        const { rows } = await client.query(`(SELECT * FROM origin EXCEPT ALL (${union})) UNION ALL ((${union}) EXCEPT ALL SELECT * FROM origin)`);
        expect(rows).toEqual([]);
        const placed = await client.query<{ shard: number; key: Buffer }>(parts.map((_, shard) => `SELECT ${shard} AS shard, ${key.dataType === "bigint" ? `int8send(${key.sql})` : key.dataType === "uuid" ? `uuid_send(${key.sql})` : `convert_to(${key.sql}, 'UTF8')`} AS key FROM shard_${shard}`).join(" UNION ALL "));
        expect(placed.rows.filter(({ shard, key: bytesOfKey }) => where.keySet.shardOf(bytesOfKey, 0, bytesOfKey.length) !== shard)).toEqual([]);
        expect(new Set(placed.rows.map(({ shard }) => shard)).size).toBe(SHARDS);
      } else {
        // However it comes cut, it is the same.
        const whole = split(new CopySplitter(planOf(format, key).plan, where, SHARDS), [bytes]);
        expect(parts.map((part) => part.toString("latin1"))).toEqual(whole.map((part) => part.toString("latin1")));
      }
    }
  });
});

describe("lines", () => {
  const byKey = (format: (typeof FORMATS)[number], chunks: readonly string[], columns = 2): string[] => {
    const { plan, where } = planOf(format, { column: 0, dataType: "bigint" }, columns);
    return split(new CopySplitter(plan, where, SHARDS), chunks.map((chunk) => Buffer.from(chunk))).map((part) => part.toString());
  };
  const [text, , csv] = FORMATS;

  test.each(["\n", "\r\n", "\r"])("end with %j, the last without", (end) => {
    const rows = ["1\ta", "2\tb\\\nc", "3\t"];
    const parts = byKey(text, [rows.slice(0, 2).join(end), end, rows[2]!]);
    expect(parts.join("").length).toBe(rows.join(end).length);
    for (const row of rows) expect(parts.filter((part) => part.includes(row))).toHaveLength(1);
  });

  test("an end mark ends them, and what follows is nothing", () => {
    expect(byKey(text, ["1\ta\n2\tb\n\\.\n3\tc\n", "4\td\n"]).join("").split("\n").sort()).toEqual(["", "1\ta", "2\tb"]);
    expect(byKey(csv, ["1,a\n2,\"\n\\.\n\"\n\\.\n3,c\n"]).join("")).not.toContain("3,c");
  });

  test("of too few fields go where the server says so", () => {
    const { plan, where } = planOf(text, { column: 1, dataType: "bigint" }, 2);
    expect(split(new CopySplitter(plan, where, SHARDS), [Buffer.from("1\n")]).map(String)).toEqual(["1\n", "", ""]);
  });

  test("the spellings that the server reads", () => {
    const shardOf = (value: string): number => byKey(text, [`${value}\tx\n`]).findIndex((part) => part !== "");
    expect([" 42", "42 ", "+42", "0042", "0x2a", "0b101010", "4_2", "\\x342"].map(shardOf)).toEqual(Array.from({ length: 8 }, () => shardOf("42")));
  });

  test("keys that no shard takes", () => {
    expect(() => byKey(text, ["\\N\ta\n"])).toThrow(expect.objectContaining({ sqlState: "0A000", detail: expect.stringContaining("row 1") as unknown }));
    expect(() => byKey(text, ["1\ta\nx\ta\n"])).toThrow(expect.objectContaining({ sqlState: "22P02", detail: expect.stringContaining("row 2") as unknown }));
    expect(() => byKey(csv, [",a\n"])).toThrow(expect.objectContaining({ sqlState: "0A000" }));
    // Quoted, it is no NULL, and no number either.
    expect(() => byKey(csv, ['"",a\n'])).toThrow(expect.objectContaining({ sqlState: "22P02" }));
  });
});

test("broken binary data", () => {
  const splitter = (): CopySplitter => {
    const { plan, where } = planOf(FORMATS[5], { column: 0, dataType: "bigint" }, 1);
    return new CopySplitter(plan, where, SHARDS);
  };
  const malformed: unknown = expect.objectContaining({ sqlState: "22P04" });
  const row = encodeTuple([Buffer.alloc(8)]);
  expect(() => split(splitter(), [Buffer.from("no signature at all")])).toThrow(malformed);
  expect(() => split(splitter(), [encodeCopyHeader(), encodeTuple([Buffer.alloc(8), null])])).toThrow(malformed);
  expect(() => split(splitter(), [encodeCopyHeader(), row.subarray(0, 9)])).toThrow(malformed);
  expect(() => split(splitter(), [encodeCopyHeader(), encodeTuple([Buffer.alloc(3)])])).toThrow(expect.objectContaining({ sqlState: "22P03" }));
  // Without an end mark servers take it.
  expect(split(splitter(), [encodeCopyHeader(), row]).filter((part) => part.includes(row))).toHaveLength(1);
});
