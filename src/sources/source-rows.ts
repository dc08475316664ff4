import type pg from "pg";
import type { RowSet } from "../apply-step.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { qualifiedName, quoteIdentifier, type TableName } from "../postgres/identifiers.js";
import { COLUMN_BINARY, COLUMN_NULL, COLUMN_TEXT } from "../postgres/pgoutput-tuple.js";
import { ABSENT } from "../postgres/tuple-values.js";

/** How a row of a published table is found. */
export type KeyedTable = Pick<PublishedTable, "key" | "partitioned">;

export interface CompletedTable extends KeyedTable {
  /** Columns whose values are wanted in text, as the stream brings them. */
  readonly isText: (column: string) => boolean;
  /** Columns that the source and the shards do not have any more, which are NULL then. */
  readonly gone?: ReadonlySet<string>;
}

/**
 * Reads, by key, the values that some rows of a set do not carry, and returns those rows whole. Rows that are gone from
 * the source are left out. What is read may be newer than the change: then the stream still brings that newer change,
 * and the row ends the same.
 *
 * @param places rows of `rows` to complete, from 0
 * @param table the source's table: its key names a row
 */
export async function completeRows(client: pg.Client, rows: RowSet, places: readonly number[], { key, partitioned, isText, gone }: CompletedTable): Promise<RowSet> {
  const { relation, buffer } = rows;
  const width = relation.columns.length;
  const asText = relation.columns.map((column) => isText(column.name));
  const columns = relation.columns.map(({ name }, index) => (gone?.has(name) === true ? "NULL" : asText[index]! ? textOf(quoteIdentifier(name)) : quoteIdentifier(name))).join(", ");
  const where = key.map((column, index) => `${quoteIdentifier(column)} = $${index + 1}`).join(" AND ");
  // node-postgres reads results as text only; bytea comes through that whole, so the row is sent as one.
  const text = `SELECT record_send(ROW(${columns})) AS record FROM ${rowsOf(relation, partitioned)} WHERE ${where}`;
  const keyColumns = key.map((name) => relation.columns.findIndex((column) => column.name === name));
  const pieces: Buffer[] = [buffer];
  let end = buffer.length;
  const offsets: number[] = [];
  for (const place of places) {
    const base = place * width;
    const values = keyColumns.map((column) => keyValue(buffer, rows.offsets[base + column]!));
    const { rows: found } = await client.query<{ record: Buffer }>(text, values);
    if (found[0] === undefined) continue;
    const fields = readRecord(found[0].record);
    for (let column = 0; column < width; column++) {
      const carried = rows.offsets[base + column]!;
      if (carried !== ABSENT) {
        offsets.push(carried);
        continue;
      }
      const value = encodeValue(fields[column] ?? null, asText[column]! ? COLUMN_TEXT : COLUMN_BINARY);
      offsets.push(end);
      pieces.push(value);
      end += value.length;
    }
  }
  return { relation, buffer: Buffer.concat(pieces), count: offsets.length / width, offsets: Int32Array.from(offsets) };
}

/** Whether rows with these keys are there. */
export async function rowsThere(client: pg.Client, rows: RowSet, places: readonly number[], table: KeyedTable): Promise<boolean[]> {
  const { relation, buffer } = rows;
  const keyColumns = table.key.map((name) => relation.columns.findIndex((column) => column.name === name));
  const there: boolean[] = [];
  for (const place of places) {
    const values = keyColumns.map((column) => keyValue(buffer, rows.offsets[place * relation.columns.length + column]!));
    there.push(await rowThere(client, relation, table, values));
  }
  return there;
}

/** Whether there is a row with this key; values as `pg` takes them. */
export async function rowThere(client: pg.Client, table: TableName, { key, partitioned }: KeyedTable, values: readonly (Buffer | string | null)[]): Promise<boolean> {
  const where = key.map((column, index) => `${quoteIdentifier(column)} = $${index + 1}`).join(" AND ");
  return (await client.query(`SELECT FROM ${rowsOf(table, partitioned)} WHERE ${where}`, [...values])).rowCount !== 0;
}

/** Of the table itself: an inheritance child may have a row of the same key. */
function rowsOf(table: TableName, partitioned: boolean): string {
  return `${partitioned ? "" : "ONLY "}${qualifiedName(table)}`;
}

/** By the type's output function: a cast to text gives another form for some types. A row of NULLs is no NULL here. */
function textOf(column: string): string {
  return `CASE num_nulls(${column}) WHEN 0 THEN format('%s', ${column}) END`;
}

/** As a parameter of a query: binary as bytes, text as a string. */
function keyValue(buffer: Buffer, at: number): Buffer | string | null {
  if (buffer[at] === COLUMN_NULL) return null;
  const bytes = buffer.subarray(at + 5, at + 5 + buffer.readInt32BE(at + 1));
  return buffer[at] === COLUMN_TEXT ? bytes.toString("utf8") : bytes;
}

/** The fields of a row in the format of `record_send` (utils/adt/rowtypes.c): a count, then type, length and bytes of each. */
function readRecord(record: Buffer): (Buffer | null)[] {
  const fields: (Buffer | null)[] = [];
  let at = 4;
  for (let field = record.readInt32BE(0); field > 0; field--) {
    const length = record.readInt32BE(at + 4);
    at += 8;
    fields.push(length < 0 ? null : record.subarray(at, at + length));
    at += Math.max(0, length);
  }
  return fields;
}

function encodeValue(value: Buffer | null, kind: number): Buffer {
  if (value === null) return Buffer.from([COLUMN_NULL]);
  const head = Buffer.allocUnsafe(5);
  head[0] = kind;
  head.writeInt32BE(value.length, 1);
  return Buffer.concat([head, value]);
}
