import type pg from "pg";
import type { TableName } from "./identifiers.js";

/** A column that a copy of a published table leaves out. */
export interface HiddenColumn extends TableName {
  readonly column: string;
  /** `pg_type.typname` of the type, or of the type under a domain. */
  readonly baseType: string;
  /** Computed by each server for itself. */
  readonly generated: boolean;
  /** The stream has it nevertheless (publish_generated_columns, since 18). */
  readonly streamed: boolean;
}

/** Without a list of columns 15 shows none; later versions list what is published, generated columns among it only where they are sent. */
const HIDDEN_SQL = `
  SELECT * FROM (
    SELECT n.nspname AS schema, c.relname AS name, a.attname AS column, a.attgenerated <> '' AS generated,
           COALESCE(a.attnum = ANY (p.attrs::int2[]), a.attgenerated = '') AS streamed,
           (WITH RECURSIVE up AS (SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid
             UNION ALL SELECT b.* FROM pg_type b JOIN up ON up.typtype = 'd' AND b.oid = up.typbasetype)
             SELECT typname FROM up WHERE typtype <> 'd') AS "baseType"
      FROM pg_get_publication_tables($1) AS p
      JOIN pg_class c ON c.oid = p.relid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
   WHERE generated OR NOT streamed
   ORDER BY schema, name`;

/** The generated columns of a publication's tables, and those that its column lists leave out. */
export async function readHiddenColumns(client: pg.Client, publication: string): Promise<HiddenColumn[]> {
  return (await client.query<HiddenColumn>(HIDDEN_SQL, [publication])).rows;
}
