import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatherAggregate } from "../../../src/gateway/sharded/gather-aggregate.js";
import { gatherInOrder, gatherUnion } from "../../../src/gateway/sharded/gather-union.js";
import { columnValue } from "../../../src/gateway/sharded/data-row.js";
import { gatherMerge, rowOrder } from "../../../src/gateway/sharded/gather-merge.js";
import { rowRange, rowsInRange } from "../../../src/gateway/sharded/row-range.js";
import type { ShardRows } from "../../../src/gateway/sharded/shard-rows.js";
import { dataRow, type FieldDescription } from "../../../src/wire/backend-messages.js";
import { Backend } from "../../../src/wire/message.js";
import { startTestCluster } from "../../support/cluster.js";
import { type RawAnswer, RawSession } from "./raw-session.js";

const TRAITS = { isoDates: true, exactFloats: true };

/** How values of each type are made in SQL, from a whole number `n` that is random; and whether text has no order here. */
const TYPES: Readonly<Record<string, { readonly sql: string; readonly onlyBinary?: boolean; readonly onlyText?: boolean; readonly cast?: string }>> = {
  bool: { sql: "n % 2 = 0" },
  int2: { sql: "(n % 30000)::int2" },
  int4: { sql: "(n - 1000000)::int4" },
  int8: { sql: "n::int8 * -9007199254741" },
  numeric: { sql: "CASE n % 7 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' ELSE (n::numeric - 500) / power(10::numeric, (n % 13)::numeric) END" },
  float4: { sql: "CASE n % 7 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' ELSE (n - 500)::float4 / 7 END" },
  float8: { sql: "CASE n % 7 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' ELSE (n - 500)::float8 / 7e100 END" },
  money: { sql: "((n - 500)::numeric / 7)::money", onlyBinary: true },
  text: { sql: "chr(97 + n % 26) || CASE n % 5 WHEN 0 THEN '' WHEN 1 THEN 'ä' WHEN 2 THEN chr(128512) WHEN 3 THEN 'B' ELSE ' ' || n END", cast: ' COLLATE "C"' },
  varchar: { sql: "(chr(65 + n % 60) || (n % 3))::varchar(20)", cast: ' COLLATE "C"' },
  bpchar: { sql: "(repeat(chr(97 + n % 3), n % 4))::char(6)", cast: ' COLLATE "C"' },
  name: { sql: "('N' || n % 100)::name" },
  char: { sql: "chr(1 + n % 255)::\"char\"", onlyBinary: true },
  bytea: { sql: "decode(md5((n % 50)::text), 'hex') || '\\x00'::bytea" },
  uuid: { sql: "md5((n % 500)::text)::uuid" },
  date: { sql: "CASE n % 9 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN '0044-03-15 BC'::date + (n % 1000) ELSE '1996-02-28'::date + (n - 5000) * 31 END::date" },
  time: { sql: "('00:00'::time + (n % 86400) * '1 second'::interval + (n % 4) * '0.25 s'::interval)" },
  timetz: { sql: "('12:00'::time + (n % 3600) * '1 second'::interval)::time || CASE n % 4 WHEN 0 THEN '+00' WHEN 1 THEN '+05:30' WHEN 2 THEN '-08' ELSE '+01:00:07' END" },
  timestamp: { sql: "CASE n % 9 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN '0044-03-15 BC'::timestamp + n * '1 day'::interval ELSE '1999-12-31 23:59:59.999999'::timestamp + (n - 500) * '17 days 3.000001 s'::interval END::timestamp" },
  timestamptz: { sql: "CASE n % 9 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN '0001-01-01 00:00+00'::timestamptz - n * '1 hour'::interval ELSE '1890-01-01 00:00+00'::timestamptz + n * '11 days 3.1 s'::interval END::timestamptz" },
  interval: { sql: "make_interval(months => (n % 5), days => (n % 61) - 30, secs => (n % 7) * 86400.5)", onlyBinary: true },
  oid: { sql: "(n::int8 * 4000)::oid" },
  macaddr: { sql: "(substr(md5(n::text), 1, 12))::macaddr" },
  macaddr8: { sql: "(substr(md5(n::text), 1, 16))::macaddr8" },
  pg_lsn: { sql: "('0/0'::pg_lsn + n::numeric * 123456789)" },
  xid8: { sql: "(n::text)::xid8", onlyText: true },
};
const SHARDS = 3;

let session: RawSession;

beforeAll(async () => {
  const cluster = await startTestCluster();
  const client = await cluster.connect();
  const numbers = fc.sample(fc.nat(1_000_000), 400);
  await client.query(`CREATE TABLE ordered (id int8 PRIMARY KEY, shard int4, ${Object.keys(TYPES).map((type) => `"${type}" ${type === "char" ? '"char"' : type === "bpchar" ? "char(6)" : type}`).join(", ")})`);
  await client.query(
    `INSERT INTO ordered SELECT id, (n * 7 + id) % ${SHARDS}, ${Object.entries(TYPES).map(([type, { sql }]) => `CASE WHEN (n + ${type.length}) % 11 = 0 THEN NULL ELSE (${sql})::${type === "char" ? '"char"' : type === "bpchar" ? "char(6)" : type} END`).join(", ")}
       FROM unnest($1::int4[]) WITH ORDINALITY AS random (n, id)`,
    [numbers],
  );
  session = await RawSession.open(cluster);
  // The zones' rules change the offset within one column.
  await session.ask("SET TimeZone = 'America/New_York'", 0);
});

afterAll(async () => {
  await session.end();
});

async function askShards(sql: (shard: number) => string, format: 0 | 1): Promise<RawAnswer[]> {
  const parts: RawAnswer[] = [];
  for (let shard = 0; shard < SHARDS; shard++) parts.push(await session.ask(sql(shard), format));
  return parts;
}

function answers(parts: readonly (readonly (Buffer | null)[][])[]): ShardRows[] {
  return parts.map((rows, shard) => {
    let next = 0;
    return { shard, next: () => Promise.resolve(next < rows.length ? { type: Backend.dataRow, bytes: dataRow(rows[next++]!) } : undefined) };
  });
}

async function collect(rows: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const collected: Buffer[] = [];
  for await (const row of rows) collected.push(row);
  return collected;
}

describe.each([0, 1] as const)("merged in the server's order, format %s", (format) => {
  test.each(Object.entries(TYPES).filter(([, { onlyBinary, onlyText }]) => (format === 0 ? onlyBinary !== true : onlyText !== true)))("%s", async (type, { cast = "" }) => {
    const column = `"${type}"${cast}`;
    for (const [direction, nulls] of [["ASC", "LAST"], ["DESC", "FIRST"], ["ASC", "FIRST"], ["DESC", "LAST"]] as const) {
      const orderBy = `ORDER BY ${column} ${direction} NULLS ${nulls}, id DESC`;
      // The last column is hidden: the client asked for the id and the value.
      const whole = await session.ask(`SELECT id, "${type}" FROM ordered ${orderBy}`, format);
      const parts = await askShards((shard) => `SELECT id, "${type}", "${type}" FROM ordered WHERE shard = ${shard} ${orderBy}`, format);
      const order = rowOrder(
        [{ column: -1, descending: direction === "DESC", nullsFirst: nulls === "FIRST", bytewise: true }, { column: 0, descending: true, nullsFirst: true, bytewise: false }],
        parts[0]!.fields,
        TRAITS,
      );
      const merged = await collect(gatherMerge(answers(parts.map(({ rows }) => rows)), order, 1));
      expect(merged.map((row) => row.toString("hex"))).toEqual(whole.rows.map((row) => dataRow(row).toString("hex")));
    }
  });
});

test("an order that is not known is refused", () => {
  const field = (typeOid: number, format: 0 | 1): FieldDescription => ({ name: "c", tableOid: 0, columnNumber: 0, typeOid, typeSize: -1, typeModifier: -1, format });
  const by = (bytewise: boolean) => [{ column: 0, descending: false, nullsFirst: false, bytewise }];
  for (const format of [0, 1] as const) {
    // text, varchar, bpchar under a language's rules; json, int4[], an enum.
    for (const [typeOid, bytewise] of [[25, false], [1043, false], [1042, false], [114, true], [3802, true], [1007, true], [16_500, true]] as const) {
      expect(() => rowOrder(by(bytewise), [field(typeOid, format)], TRAITS)).toThrow(expect.objectContaining({ sqlState: "0A000" }));
    }
  }
  expect(() => rowOrder(by(true), [field(1082, 0)], { ...TRAITS, isoDates: false })).toThrow(expect.objectContaining({ sqlState: "0A000" }));
  expect(() => rowOrder(by(true), [field(701, 0)], { ...TRAITS, exactFloats: false })).toThrow(expect.objectContaining({ sqlState: "0A000" }));
});

describe.each([0, 1] as const)("aggregates are the server's, format %s", (format) => {
  const LIST = "count(*), sum(int2), sum(int8), sum(numeric) FILTER (WHERE numeric NOT IN ('NaN')), min(numeric), max(date), min(timestamptz), max(text COLLATE \"C\"), bool_and(bool), bool_or(bool), sum(int4) FILTER (WHERE false)";
  const COLUMNS = ["count", "sum", "sum", "sum", "min", "max", "min", "max", "bool_and", "bool_or", "sum"] as const;

  test.each(["true", "id % 5 = 0 AND int8 IS NOT NULL", "false", "bool", "shard = 1"])("WHERE %s", async (condition) => {
    const whole = await session.ask(`SELECT ${LIST} FROM ordered WHERE ${condition}`, format);
    const parts = await askShards((shard) => `SELECT ${LIST} FROM ordered WHERE shard = ${shard} AND (${condition})`, format);
    const gathered = await collect(gatherAggregate(answers(parts.map(({ rows }) => rows)), COLUMNS.map((name) => ({ function: name, bytewise: true })), parts[0]!.fields, TRAITS));
    expect(gathered.map((row) => row.toString("hex"))).toEqual(whole.rows.map((row) => dataRow(row).toString("hex")));
  });
});

test("a sum that does not fit fails as the server's does; one that cannot be put together is refused", async () => {
  const { fields } = await session.ask("SELECT sum(int4) FROM ordered", 0);
  const most = [[Buffer.from("9223372036854775807")]];
  await expect(collect(gatherAggregate(answers([most, [[Buffer.from("1")]]]), [{ function: "sum", bytewise: false }], fields, TRAITS))).rejects.toMatchObject({ sqlState: "22003" });
  const intervals = await session.ask("SELECT sum(interval) FROM ordered", 0);
  expect(() => gatherAggregate([], [{ function: "sum", bytewise: false }], intervals.fields, TRAITS)).toThrow(expect.objectContaining({ sqlState: "0A000" }));
});

test("unions, their ranges, and rows in the order of VALUES", async () => {
  const part = (...values: string[]): (Buffer | null)[][] => values.map((value) => [Buffer.from(value)]);
  const texts = async (rows: AsyncIterable<Buffer>): Promise<string[]> => (await collect(rows)).map((row) => columnValue(row, 0)!.toString());
  const parts = (): ShardRows[] => answers([part("a", "b"), part(), part("c", "d", "e")]);
  expect(await texts(gatherUnion(parts()))).toEqual(["a", "b", "c", "d", "e"]);
  expect(await texts(gatherInOrder(parts(), [2, 0, 2, 2, 0]))).toEqual(["c", "a", "d", "e", "b"]);
  // ON CONFLICT DO NOTHING returned fewer.
  expect(await texts(gatherInOrder(parts(), [1, 1, 2, 0]))).toEqual(["c", "a", "b", "d", "e"]);

  const parameter = (number: number) => [{ bytes: Buffer.from("2"), format: 0 }, { bytes: Buffer.from("0000000000000001", "hex"), format: 1 }, { bytes: null, format: 0 }, { bytes: Buffer.from("-1"), format: 0 }][number - 1]!;
  const range = (limit?: number, offset?: number) => rowRange(limit === undefined ? undefined : { kind: "parameter", number: limit }, offset === undefined ? undefined : { kind: "parameter", number: offset }, parameter);
  expect(await texts(rowsInRange(gatherUnion(parts()), range(1, 2)))).toEqual(["b", "c"]);
  expect(await texts(rowsInRange(gatherUnion(parts()), range(3, 1)))).toEqual(["c", "d", "e"]);
  expect(await texts(rowsInRange(gatherUnion(parts()), rowRange({ kind: "constant", value: 0 }, undefined, parameter)))).toEqual([]);
  expect(() => range(4)).toThrow(expect.objectContaining({ sqlState: "2201W" }));
  expect(() => range(1, 4)).toThrow(expect.objectContaining({ sqlState: "2201X" }));
});
