import type pg from "pg";
import { ABSENT, type RowSet } from "../apply-step.js";
import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";
import { COLUMN_BINARY, COLUMN_NULL, COLUMN_TEXT } from "../postgres/pgoutput-tuple.js";

/**
 * Reads, by key, the values that some rows of a set do not carry, and returns those rows whole. Rows that are gone from
 * the source are left out. What is read may be newer than the change: then the stream still brings that newer change,
 * and the row ends the same.
 *
 * @param places rows of `rows` to complete, from 0
 * @param key columns that name a row
 */
export async function completeRows(client: pg.Client, rows: RowSet, places: readonly number[], key: readonly string[]): Promise<RowSet> {
  const { relation, buffer } = rows;
  const width = relation.columns.length;
  const columns = relation.columns.map((column) => quoteIdentifier(column.name)).join(", ");
  const where = key.map((column, index) => `${quoteIdentifier(column)} = $${index + 1}`).join(" AND ");
  const text = `SELECT ${columns} FROM ${qualifiedName(relation)} WHERE ${where}`;
  const keyColumns = key.map((name) => relation.columns.findIndex((column) => column.name === name));
  const pieces: Buffer[] = [buffer];
  let end = buffer.length;
  const offsets: number[] = [];
  for (const place of places) {
    const base = place * width;
    const values = keyColumns.map((column) => keyValue(buffer, rows.offsets[base + column]!));
    const result = await client.query<(Buffer | null)[]>({ text, values, binary: true, rowMode: "array", types: { getTypeParser: () => (value: unknown) => value } } as pg.QueryArrayConfig);
    const found = result.rows[0];
    if (found === undefined) continue;
    for (let column = 0; column < width; column++) {
      const carried = rows.offsets[base + column]!;
      if (carried !== ABSENT) {
        offsets.push(carried);
        continue;
      }
      const value = encodeValue(found[column] ?? null);
      offsets.push(end);
      pieces.push(value);
      end += value.length;
    }
  }
  return { relation, buffer: Buffer.concat(pieces), count: offsets.length / width, offsets: Int32Array.from(offsets) };
}

/** As a parameter of a query: binary as bytes, text as a string. */
function keyValue(buffer: Buffer, at: number): Buffer | string | null {
  if (buffer[at] === COLUMN_NULL) return null;
  const bytes = buffer.subarray(at + 5, at + 5 + buffer.readInt32BE(at + 1));
  return buffer[at] === COLUMN_TEXT ? bytes.toString("utf8") : bytes;
}

function encodeValue(value: Buffer | null): Buffer {
  if (value === null) return Buffer.from([COLUMN_NULL]);
  const head = Buffer.allocUnsafe(5);
  head[0] = COLUMN_BINARY;
  head.writeInt32BE(value.length, 1);
  return Buffer.concat([head, value]);
}
