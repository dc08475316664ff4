import type { Readable } from "node:stream";
import fc from "fast-check";
import { to } from "pg-copy-streams";
import { expect, test } from "vitest";
import { cut, scanPieces } from "../support/copy-pieces.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();

const SCHEMA = `
  CREATE TYPE mood AS ENUM ('sad', 'glad');
  CREATE TYPE pair AS (first int, second text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE TABLE every_type (
    "Id" bigint PRIMARY KEY, small smallint, whole int, yes boolean, single real, double double precision, exact numeric, priced numeric(12, 2),
    money money, plain text, short varchar(20), fixed char(8), one "char", label name, raw bytea, day date, clock time, zoned timetz, at timestamp,
    instant timestamptz, span interval, ident uuid, doc json, binary_doc jsonb, path jsonpath, address inet, network cidr, card macaddr, bits bit(5), many_bits varbit,
    place point, area box, words tsvector, query tsquery, position pg_lsn, object oid, feeling mood, couple pair, counted positive,
    numbers int[], matrix text[][], feelings mood[], span_of int4range, spans int8multirange, during tstzrange)`;

const ROWS = `
  INSERT INTO every_type
  SELECT i, -i, i * 1000, i % 2 = 0, i / 3.0, i / 7.0, (10::numeric ^ i) / 3, i * 1.25,
    i::money, repeat('ä€😀', i), 'short', 'fix', 'x', 'label', decode(repeat('00ff', i), 'hex'), '2000-01-01'::date + i, '12:34:56.789', '12:34:56+02', '2024-02-29 23:59:59.999999',
    '2024-02-29 23:59:59+00', '1 mon 2 days 03:04:05', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, 2]}', '{"b": null}', '$.a[*]', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', B'10101', B'1',
    '(1,2)', '((0,0),(1,1))', 'a b c', 'a & b', '16/B374D848', 4000000000, 'glad', ROW(i, 'two')::pair, 1,
    ARRAY[1, NULL, i], ARRAY[['a', 'b'], ['c', NULL]], '{sad,glad}', int4range(1, i + 2), '{[1,3),[5,9)}', tstzrange(NULL, now())
  FROM generate_series(1, 40) AS i;
  INSERT INTO every_type ("Id") SELECT i FROM generate_series(41, 50) AS i;
  INSERT INTO every_type ("Id", plain, raw, exact, instant, numbers) VALUES
    (51, '', '', 'NaN', 'infinity', '{}'), (52, repeat('x', 300000), decode(repeat('00', 300000), 'hex'), 'Infinity', '-infinity', NULL)`;

test("the fields of a server's COPY are what its send functions give, however the stream is cut", async () => {
  const client = await cluster.connect();
  try {
    await client.query(SCHEMA);
    await client.query(ROWS);
    const { rows: columns } = await client.query<{ sent: string }>(
      `SELECT format('%s(%I)', typsend::regproc, attname) AS sent
         FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
        WHERE attrelid = 'every_type'::regclass AND attnum > 0 ORDER BY attnum`,
    );
    expect(columns.length).toBe(45);
    const { rows: expected } = await client.query<{ fields: (Buffer | null)[] }>(
      `SELECT ARRAY[${columns.map(({ sent }) => sent).join(", ")}] AS fields FROM every_type ORDER BY "Id"`,
    );

    const stream: Readable = client.query(to(`COPY (SELECT * FROM every_type ORDER BY "Id") TO STDOUT (FORMAT binary)`));
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece as Buffer);

    const scanned = scanPieces(pieces);
    expect(scanned).toHaveLength(52);
    scanned.forEach((fields, index) => {
      expect(fields).toEqual(expected[index]!.fields);
    });

    const file = Buffer.concat(pieces);
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 8 }), (at) => {
        expect(scanPieces(cut(file, at)).map((fields) => fields.map((field) => field?.length))).toEqual(scanned.map((fields) => fields.map((field) => field?.length)));
      }),
      { numRuns: 30 },
    );
  } finally {
    await client.end();
  }
});

test("an empty table is a header and a trailer", async () => {
  const client = await cluster.connect();
  try {
    await client.query("CREATE TABLE nothing (id int)");
    const pieces: Buffer[] = [];
    for await (const piece of client.query(to("COPY nothing TO STDOUT (FORMAT binary)"))) pieces.push(piece as Buffer);
    expect(scanPieces(pieces)).toEqual([]);
    expect(Buffer.concat(pieces)).toHaveLength(21);
  } finally {
    await client.end();
  }
});
