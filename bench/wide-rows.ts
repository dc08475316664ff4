import { encodeTuple } from "../src/postgres/copy-binary.js";

/** A table whose rows are `ROW_BYTES` long in a binary COPY: what split and copy work on. */
export const WIDE_ROWS_TABLE = `CREATE TABLE public.wide_rows (
  id int8 NOT NULL, user_id int8 NOT NULL, created_at timestamptz NOT NULL, amount int4 NOT NULL, note text NOT NULL)`;
export const WIDE_ROWS_PRIMARY_KEY = "ALTER TABLE public.wide_rows ADD CONSTRAINT wide_rows_pkey PRIMARY KEY (id)";
export const WIDE_ROWS_INDEX = "CREATE INDEX wide_rows_user_id ON public.wide_rows (user_id)";

/** The rows are sharded by it. */
export const WIDE_ROWS_KEY = "user_id";
export const WIDE_ROWS_COLUMNS = ["id", "user_id", "created_at", "amount", "note"] as const;

/** Field count, five lengths, 8 + 8 + 8 + 4 bytes and the note. */
export const ROW_BYTES = 130;
const NOTE_BYTES = ROW_BYTES - 2 - 5 * 4 - 28;

/** Users come in no order, as they do in a table of events: an index on them is not filled from end to end. */
const USERS = 500_000;
const USER_STEP = 7919;

/** SQL that fills the table with that many rows. */
export function fillWideRows(rows: number): string {
  return `INSERT INTO public.wide_rows
    SELECT i, i::int8 * ${USER_STEP} % ${USERS}, '2025-01-01T00:00:00Z'::timestamptz + i * interval '1 second', i % 1000, rpad(md5(i::text), ${NOTE_BYTES}, md5((i + 1)::text))
      FROM generate_series(1, ${rows}) AS i`;
}

/** Such a row as a binary COPY has it. */
export function encodeWideRow(row: number): Buffer {
  const integers = Buffer.allocUnsafe(28);
  integers.writeBigInt64BE(BigInt(row), 0);
  integers.writeBigInt64BE(BigInt((row * USER_STEP) % USERS), 8);
  integers.writeBigInt64BE(789_000_000_000_000n + BigInt(row) * 1_000_000n, 16);
  integers.writeInt32BE(row % 1000, 24);
  const note = Buffer.alloc(NOTE_BYTES, row.toString(16));
  return encodeTuple([integers.subarray(0, 8), integers.subarray(8, 16), integers.subarray(16, 24), integers.subarray(24), note]);
}
