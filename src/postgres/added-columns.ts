import type pg from "pg";
import { qualifiedName, quoteIdentifier, type TableName } from "./identifiers.js";

/** A column as its table's definition has it, with what the rows got that were there when it was added. */
export interface AddedColumn {
  /** The table that defines it: of a partition or child that inherits it, the topmost one. */
  readonly owner: TableName;
  readonly name: string;
  readonly type: string;
  /** SQL of the collation, where it is not the type's own. */
  readonly collation: string | undefined;
  readonly notNull: boolean;
  /** SQL of the default. */
  readonly default: string | undefined;
  /** What rows show that were there before (`pg_attribute.attmissingval`), as text. */
  readonly missing: string | undefined;
  /**
   * Each row that was there got a value of its own, of which the stream tells nothing: an identity column, or a default
   * that is volatile (ATExecAddColumn, commands/tablecmds.c, rewrites the table for these).
   */
  readonly rowsDiffer: boolean;
}

/** Volatility goes by the names of the functions in the default: doubtful ones count as volatile. */
const COLUMNS_SQL = `
  WITH RECURSIVE up (oid, depth) AS (
    SELECT $1::oid, 0
    UNION ALL
    SELECT i.inhparent, up.depth + 1 FROM up JOIN pg_inherits i ON i.inhrelid = up.oid)
  SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null, a.attidentity <> '' AS identity,
         pg_get_expr(d.adbin, d.adrelid) AS default,
         CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END AS missing,
         (SELECT format('%I.%I', ln.nspname, l.collname) FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace
           WHERE l.oid = a.attcollation AND a.attcollation <> (SELECT typcollation FROM pg_type WHERE oid = a.atttypid)) AS collation,
         EXISTS (SELECT FROM regexp_matches(pg_get_expr(d.adbin, d.adrelid), '([[:alnum:]_]+)"?[(]', 'g') AS m (call) JOIN pg_proc p ON p.proname = m.call[1] WHERE p.provolatile = 'v') AS volatile,
         owner.schema, owner.table
    FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    CROSS JOIN LATERAL (
      SELECT n.nspname AS schema, c.relname AS table FROM up JOIN pg_class c ON c.oid = up.oid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = c.oid AND o.attname = a.attname AND NOT o.attisdropped) ORDER BY depth DESC LIMIT 1) AS owner
   WHERE a.attrelid = $1 AND a.attname = ANY ($2::text[]) AND NOT a.attisdropped
   ORDER BY a.attnum`;

/** Reads how columns of a table are defined; those that it does not have (any more) are left out. */
export async function readAddedColumns(client: pg.Client, oid: number, names: readonly string[]): Promise<AddedColumn[]> {
  const { rows } = await client.query<{
    name: string; type: string; not_null: boolean; identity: boolean; default: string | null; missing: string | null; collation: string | null; volatile: boolean; schema: string; table: string;
  }>(COLUMNS_SQL, [oid, names]);
  return rows.map((row) => ({
    owner: { schema: row.schema, name: row.table },
    name: row.name,
    type: row.type,
    collation: row.collation ?? undefined,
    notNull: row.not_null,
    default: row.default ?? undefined,
    missing: row.missing ?? undefined,
    rowsDiffer: row.missing === null && (row.identity || row.volatile),
  }));
}

/**
 * SQL that adds a column as it was added there: rows that are here show what they show there, also where the default would
 * be another today.
 */
export function addColumnStatements(column: AddedColumn, quoteText: (text: string) => string): string[] {
  const table = qualifiedName(column.owner);
  const name = quoteIdentifier(column.name);
  const collation = column.collation === undefined ? "" : ` COLLATE ${column.collation}`;
  const missing = column.missing === undefined ? "" : ` DEFAULT ${quoteText(column.missing)}::${column.type}`;
  const statements = [`ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${name} ${column.type}${collation}${missing}${column.notNull ? " NOT NULL" : ""}`];
  if (column.default !== undefined) statements.push(`ALTER TABLE ${table} ALTER COLUMN ${name} SET DEFAULT ${column.default}`);
  else if (column.missing !== undefined) statements.push(`ALTER TABLE ${table} ALTER COLUMN ${name} DROP DEFAULT`);
  return statements;
}
