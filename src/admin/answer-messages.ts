import { dataRow, type FieldDescription, noticeResponse } from "../wire/backend-messages.js";
import { type Answer, type Column, TYPES } from "./answer.js";
import { encodeValue } from "./encode-value.js";

/** @param formats 0 text, 1 binary: none, one for all, or one for each */
export function fieldsOf(columns: readonly Column[], formats: readonly number[] = []): FieldDescription[] {
  return columns.map(({ name, type }, index) => ({ name, tableOid: 0, columnNumber: 0, typeOid: TYPES[type].oid, typeSize: TYPES[type].size, typeModifier: -1, format: formatOf(formats, index) }));
}

/** A DataRow for each row. */
export function rowsOf({ table }: Answer, formats: readonly number[] = []): Buffer[] {
  if (table === undefined) return [];
  return table.rows.map((row) => dataRow(row.map((value, index) => encodeValue(value, table.columns[index]!.type, formatOf(formats, index) === 1 ? "binary" : "text") ?? null)));
}

export function noticesOf({ notices }: Answer): Buffer[] {
  return notices.map((message) => noticeResponse("NOTICE", { sqlState: "00000", message }));
}

function formatOf(formats: readonly number[], index: number): number {
  return (formats.length === 1 ? formats[0] : formats[index]) ?? 0;
}
