import { quoteIdentifier } from "../postgres/identifiers.js";
import { only, value, writtenColumns } from "./apply-statements.js";
import type { TargetTable } from "./target-table.js";

/*
 * The SQL for tables whose rows have no key (REPLICA IDENTITY FULL). Two rows are equal where all their values are the
 * same bytes in binary form (in text form, of types without the other): NULL equals NULL, types without an `=` compare
 * like others, and 1.0 is not 1.00, for the source would have meant another row. The wanted rows are numbered so that
 * equal ones follow one another; as many of the table's rows as equal them get the same numbers, whichever they are.
 */

/** Removes for each row of `$1` one that equals it; the command's row count tells how many were there. */
export function deleteEqualStatement(target: TargetTable): string {
  return `${matches(target)} DELETE FROM ${only(target)} AS t USING found WHERE ${isFound(target)}`;
}

/**
 * Gives for each row of `$1` one that equals it the values of the row beside it in `$2`; the row count tells how many were
 * there. Undefined where the shard itself computes all of these columns.
 */
export function updateEqualStatement(target: TargetTable, columns: readonly number[]): string | undefined {
  const assignments = writtenColumns(target).filter((index) => columns.includes(index)).map((index) => `${quoteIdentifier(target.columns[index]!.name)} = ${value(target.columns[index]!, index)}`);
  if (assignments.length === 0) return undefined;
  return `${matches(target)} UPDATE ${only(target)} AS t SET ${assignments.join(", ")}
    FROM found JOIN wanted ON wanted.number = found.number JOIN unnest($2::${target.rowTypeName}[]) WITH ORDINALITY AS d ON d.ordinality = wanted.ordinality WHERE ${isFound(target)}`;
}

/** `wanted`: the rows of `$1`. `found`: those of the table that equal one of them, which may be more. */
function matches(target: TargetTable): string {
  const columns = writtenColumns(target);
  // What an index or a hash join can find candidates by; equal images have equal values.
  const searched = columns.filter((index) => target.columns[index]!.searchable);
  const places = searched.map((index) => `, "${index + 1}"`).join("");
  const candidates = searched.map((index) => ` AND t.${quoteIdentifier(target.columns[index]!.name)} = different."${index + 1}"`).join("");
  return `WITH wanted AS MATERIALIZED (
      SELECT d.ordinality, image${searched.map((index) => `, d."${index + 1}"`).join("")}, row_number() OVER (ORDER BY image) AS number
        FROM unnest($1::${target.rowTypeName}[]) WITH ORDINALITY AS d, LATERAL (SELECT ${image(target, (index) => value(target.columns[index]!, index))} AS image) AS of_row),
    different AS MATERIALIZED (SELECT image${places}, min(number) AS first, max(number) AS last FROM wanted GROUP BY image${places}),
    found AS (
      SELECT t.ctid AS row, t.tableoid AS part, last, first - 1 + row_number() OVER (PARTITION BY first) AS number
        FROM ${only(target)} AS t JOIN different ON different.image = ${image(target, (index) => `t.${quoteIdentifier(target.columns[index]!.name)}`)}${candidates})`;
}

/**
 * A row's values as one bytea. Domains go by the type under them, as which the wanted rows' values travel; what travels as
 * text goes by its type's output function, for a cast to text gives another form for some types.
 */
function image(target: TargetTable, valueOf: (index: number) => string): string {
  const values = writtenColumns(target).map((index) => {
    const column = target.columns[index]!;
    const typed = `${valueOf(index)}::${column.columnType}`;
    // A row of NULLs is no NULL here.
    return column.asText ? `CASE num_nulls(${typed}) WHEN 0 THEN format('%s', ${typed}) END` : typed;
  });
  return `record_send(ROW(${values.join(", ")}))`;
}

/** A ctid names a row of one partition. */
function isFound(target: TargetTable): string {
  return `found.number <= found.last AND t.ctid = found.row${target.only ? "" : " AND t.tableoid = found.part"}`;
}
