import type { Pipeline } from "../config/types.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayName } from "../postgres/identifiers.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { listed } from "../words.js";

/** How a table is copied: as configured, but in text where a column's type has no binary form that another server reads. */
export function copyFormatOf(table: PublishedTable, pipeline: Pick<Pipeline, "general">): ValueFormat {
  return table.columns.every((column) => column.portableBinary) ? pipeline.general.reshardingCopyFormat : "text";
}

/**
 * How changes are streamed. The server decides column by column, but only by whether the type itself has a send function:
 * an array of `aclitem` has one, which fails, `regclass` is sent as an OID, and an empty `tsquery` cannot be received. One
 * such column puts the whole stream in text.
 */
export function streamFormatOf(tables: readonly PublishedTable[], pipeline: Pick<Pipeline, "general">): ValueFormat {
  return misledColumns(tables).length === 0 ? pipeline.general.reshardingCopyFormat : "text";
}

/** What to tell the operator about columns that make a binary stream impossible. */
export function streamFormatNotes(tables: readonly PublishedTable[], pipeline: Pick<Pipeline, "general">): string[] {
  const columns = misledColumns(tables);
  if (columns.length === 0 || pipeline.general.reshardingCopyFormat === "text") return [];
  return [`Changes are streamed as text, for not all values of these columns can be sent in binary to another server: ${listed(columns, ", ", 5)}.`];
}

function misledColumns(tables: readonly PublishedTable[]): string[] {
  return tables.flatMap((table) =>
    table.columns.filter((column) => column.sendsBinary && !column.portableBinary).map((column) => `${displayName(table)}.${column.name} (${column.type})`),
  );
}
