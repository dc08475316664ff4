import type { PublishedTable } from "../postgres/catalog.js";
import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";

/**
 * Counts a table's rows and adds up a hash of each. Sums, not XOR: a row that is there twice must show. The columns are
 * named in the source's order; a row's text is the same for integers of any width.
 *
 * @param where SQL of a row filter, on the source
 * @param sameMajor `hashtextextended` is fast but promised stable within a major version only; md5 is for ever
 */
export function checksumStatement(table: PublishedTable, options: { readonly sameMajor: boolean; readonly where?: string | undefined }): string {
  const row = `ROW(${table.columns.map((column) => quoteIdentifier(column.name)).join(", ")})::text`;
  const hash = options.sameMajor ? `hashtextextended(${row}, 0)` : `('x' || md5(${row}))::bit(64)::int8`;
  const filter = options.where === undefined ? "" : ` WHERE ${options.where}`;
  return `SELECT count(*)::float8 AS rows, COALESCE(sum(${hash}::numeric), 0)::text AS checksum FROM ${table.partitioned ? "" : "ONLY "}${qualifiedName(table)}${filter}`;
}
