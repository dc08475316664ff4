import type pg from "pg";
import { ReshardError } from "../errors.js";
import { displayName, qualifiedName, quoteLiteral, type TableName } from "./identifiers.js";

/** A live, not generated column of a table. */
export interface Column {
  readonly name: string;
  readonly typeOid: number;
  /** `format_type`: `numeric(10,2)`, `"Sales".status[]` … */
  readonly type: string;
  /** The same without modifiers: `numeric`. */
  readonly typeName: string;
  /** `pg_type.typname` of the type, or of the type under a domain: `int8`, `text` … */
  readonly baseType: string;
  /** It is an enum, or a domain over one. */
  readonly isEnum?: boolean;
  /** The type has a binary send function: in a binary stream its values come so, else as text. */
  readonly sendsBinary: boolean;
  /**
   * Binary values can be sent, received, and mean the same on another server, with all that the type is made of: arrays'
   * elements, fields of composite types and so on. Not so for `aclitem`, which has no functions for it, for `regclass`
   * and its like, which are sent as OIDs, and for `tsquery`, `int2vector` and `oidvector`, which are
   * not received where they are empty (`tsqueryrecv`, utils/adt/tsquery.c; `int2vectorrecv`, utils/adt/int.c).
   */
  readonly portableBinary: boolean;
  readonly notNull: boolean;
  readonly identity: "always" | "by default" | undefined;
}

/** A table as a publication shows it. */
export interface PublishedTable extends TableName {
  readonly oid: number;
  readonly partitioned: boolean;
  /** The topmost table of a partition tree, else the table itself: sharding rules speak of this one. */
  readonly root: TableName;
  /** Published columns in the table's order. */
  readonly columns: readonly Column[];
  /** SQL of the publication's row filter. */
  readonly rowFilter: string | undefined;
  /** How UPDATE and DELETE name a row. */
  readonly identity: "default" | "index" | "full" | "nothing";
  /**
   * Columns that name a row: of the identity index or primary key, under FULL else of another unique index over NOT NULL
   * columns. Empty where there is none: under FULL all columns together name a row, or one of several equal ones.
   */
  readonly key: readonly string[];
  /** Estimates for progress: `pg_class.reltuples` (-1: never analyzed) and the table's bytes. */
  readonly estimatedRows: number;
  readonly bytes: number;
}

export interface Publication {
  readonly name: string;
  readonly tables: readonly PublishedTable[];
}

interface TableRow {
  oid: number;
  schema: string;
  name: string;
  partitioned: boolean;
  root_schema: string;
  root_name: string;
  row_filter: string | null;
  identity: "d" | "i" | "f" | "n";
  key: string[];
  estimated_rows: number;
  bytes: number;
  columns: { name: string; type_oid: number; type: string; type_name: string; base_type: string; is_enum: boolean; sends_binary: boolean; portable_binary: boolean; not_null: boolean; identity: "" | "a" | "d" }[];
}

/** Our own bookkeeping, when a former destination is a source now. */
export const OWN_SCHEMA = "reshard";

/** Objects of users have OIDs from here on (FirstNormalObjectId, access/transam.h). */
const FIRST_NORMAL_OID = 16384;

/**
 * True of an index that could be a replica identity (ATExecReplicaIdentity, commands/tablecmds.c) and whose columns are all
 * sent: rows that come whole may as well be named by it.
 */
const NAMES_ROWS = `(i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS (
  SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
   WHERE k.position <= i.indnkeyatts AND (NOT a.attnotnull OR a.attgenerated <> '' OR NOT COALESCE(a.attnum = ANY (p.attrs::int2[]), true))))`;

/** True of a row of pg_attribute that replication sends, beside a row `p` of what is published. */
const sentColumns = (column: string): string =>
  `${column}.attnum > 0 AND NOT ${column}.attisdropped AND ${column}.attgenerated = '' AND (p.attrs IS NULL OR ${column}.attnum = ANY (p.attrs::int2[]))`;

/** True of a row of pg_type whose values, but for those of types that it is made of, mean the same to another server in binary. */
const portable = (type: string): string =>
  `${type}.typsend <> 0 AND ${type}.typreceive <> 0 AND NOT ((${type}.typname ~ '^reg' OR ${type}.typname IN ('tsquery', 'int2vector', 'oidvector')) AND ${type}.oid < ${FIRST_NORMAL_OID})`;

/** Tables with what is wanted of them; what a column's type is made of is followed up where it is made of others. @param from SQL of rows `relid`, `attrs` (int2vector of columns, NULL: all) and `qual` */
const tablesSql = (from: string): string => `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned,
         rn.nspname AS root_schema, rc.relname AS root_name,
         pg_get_expr(p.qual, p.relid) AS row_filter, c.relreplident AS identity,
         COALESCE((SELECT json_agg(a.attname ORDER BY k.position)
                     FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                    WHERE k.position <= i.indnkeyatts AND i.indexrelid = (
                      SELECT i.indexrelid FROM pg_index i
                       WHERE i.indrelid = c.oid AND i.indimmediate
                         AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'f' THEN i.indisprimary OR ${NAMES_ROWS} ELSE i.indisprimary END
                       ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1)), '[]') AS key,
         c.reltuples::float8 AS estimated_rows, pg_table_size(c.oid)::float8 AS bytes,
         (SELECT COALESCE(json_agg(json_build_object('name', a.attname, 'type_oid', a.atttypid::int8, 'type', format_type(a.atttypid, a.atttypmod), 'type_name', format_type(a.atttypid, NULL),
                            'is_enum', CASE own.typtype WHEN 'd' THEN (WITH RECURSIVE up AS (SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid
                                          UNION ALL SELECT b.* FROM pg_type b JOIN up ON up.typtype = 'd' AND b.oid = up.typbasetype)
                                          SELECT bool_or(typtype = 'e') FROM up) ELSE own.typtype = 'e' END,
                            'base_type', CASE own.typtype WHEN 'd' THEN (WITH RECURSIVE up AS (SELECT t.* FROM pg_type t WHERE t.oid = a.atttypid
                                          UNION ALL SELECT b.* FROM pg_type b JOIN up ON up.typtype = 'd' AND b.oid = up.typbasetype)
                                          SELECT typname FROM up WHERE typtype <> 'd') ELSE own.typname END,
                            'sends_binary', own.typsend <> 0,
                            'portable_binary', CASE WHEN own.typtype IN ('b', 'e') AND (own.typelem = 0 OR own.typlen <> -1) THEN ${portable("own")} ELSE (WITH RECURSIVE part (oid) AS (
                                          SELECT a.atttypid
                                          UNION SELECT inner_type.oid FROM part JOIN pg_type t ON t.oid = part.oid CROSS JOIN LATERAL (
                                            SELECT t.typbasetype WHERE t.typtype = 'd'
                                            UNION ALL SELECT t.typelem WHERE t.typelem <> 0 AND t.typlen = -1
                                            UNION ALL SELECT f.atttypid FROM pg_attribute f WHERE f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
                                            UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
                                            UNION ALL SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid) AS inner_type (oid))
                                          SELECT bool_and(${portable("t")}) FROM part JOIN pg_type t ON t.oid = part.oid) END,
                            'not_null', a.attnotnull, 'identity', a.attidentity) ORDER BY a.attnum), '[]')
            FROM pg_attribute a JOIN pg_type own ON own.oid = a.atttypid
           WHERE a.attrelid = c.oid AND ${sentColumns("a")}) AS columns
    FROM ${from} AS p
    JOIN pg_class c ON c.oid = p.relid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class rc ON rc.oid = COALESCE(pg_partition_root(c.oid), c.oid)
    JOIN pg_namespace rn ON rn.oid = rc.relnamespace
   WHERE n.nspname <> '${OWN_SCHEMA}' AND ($2::oid IS NULL OR c.oid = $2)
   ORDER BY n.nspname, c.relname`;

/** PostgreSQL's own view of what a publication holds: pg_get_publication_tables (pg_publication.c). Columns and filter are there since 15. */
const TABLES_SQL = tablesSql("pg_get_publication_tables($1)");
/** The same of a table that need not be published. */
const TABLE_SQL = tablesSql("(SELECT oid AS relid, NULL::int2vector AS attrs, NULL::pg_node_tree AS qual FROM pg_class WHERE oid = to_regclass($1) AND relkind IN ('r', 'p'))");

/** Reads what a publication holds. Fails where it does not exist or holds nothing. */
export async function readPublication(client: pg.Client, name: string): Promise<Publication> {
  const exists = await client.query("SELECT FROM pg_publication WHERE pubname = $1", [name]);
  if (exists.rowCount === 0) {
    const others = await client.query<{ pubname: string }>("SELECT pubname FROM pg_publication ORDER BY 1");
    const known = others.rows.map((row) => `"${row.pubname}"`).join(", ");
    throw new ReshardError("PUBLICATION_MISSING", `The source has no publication "${name}"${known === "" ? "" : ` (it has ${known})`}.`, {
      remedy: `Run on the source: CREATE PUBLICATION ${client.escapeIdentifier(name)} FOR ALL TABLES;`,
    });
  }
  const { rows } = await client.query<TableRow>(TABLES_SQL, [name, null]);
  if (rows.length === 0) {
    throw new ReshardError("PUBLICATION_EMPTY", `The publication "${name}" holds no table.`, {
      remedy: `Add tables on the source: ALTER PUBLICATION ${client.escapeIdentifier(name)} ADD TABLE …;`,
    });
  }
  return { name, tables: rows.map(publishedTable) };
}

/** The columns that a publication holds of a table, as this session sees them; undefined where the table is not in it. */
export async function readPublishedColumns(client: pg.Client, publication: string, oid: number): Promise<readonly Pick<Column, "name" | "type">[] | undefined> {
  // Replication connections, in which snapshots are taken, know no parameters.
  const { rows } = await client.query<{ name: string | null; type: string }>(`
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
      FROM pg_get_publication_tables(${quoteLiteral(publication)}) AS p
      JOIN pg_class c ON c.oid = p.relid
      JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> '${OWN_SCHEMA}'
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND ${sentColumns("a")}
     WHERE c.oid = ${oid} ORDER BY a.attnum`);
  return rows.length === 0 ? undefined : rows.flatMap(({ name, type }) => (name === null ? [] : [{ name, type }]));
}

/** A table as it is on a server, published or not; undefined where there is none of this name. */
export async function readTable(client: pg.Client, table: TableName): Promise<PublishedTable | undefined> {
  const { rows } = await client.query<TableRow>(TABLE_SQL, [qualifiedName(table), null]);
  return rows[0] === undefined ? undefined : publishedTable(rows[0]);
}

const IDENTITIES = { d: "default", i: "index", f: "full", n: "nothing" } as const;

function publishedTable(row: TableRow): PublishedTable {
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    partitioned: row.partitioned,
    root: { schema: row.root_schema, name: row.root_name },
    columns: row.columns.map((column) => ({
      name: column.name,
      typeOid: column.type_oid,
      type: column.type,
      typeName: column.type_name,
      baseType: column.base_type,
      isEnum: column.is_enum,
      sendsBinary: column.sends_binary,
      portableBinary: column.portable_binary,
      notNull: column.not_null,
      identity: column.identity === "a" ? "always" : column.identity === "d" ? "by default" : undefined,
    })),
    rowFilter: row.row_filter ?? undefined,
    identity: IDENTITIES[row.identity],
    key: row.key,
    estimatedRows: row.estimated_rows,
    bytes: row.bytes,
  };
}

/** Refuses, all in one message, tables whose updates and deletes could not be followed. */
export function checkReplicaIdentities(tables: readonly PublishedTable[]): void {
  const without = tables.filter((table) => table.identity === "nothing" || (table.identity !== "full" && table.key.length === 0));
  if (without.length === 0) return;
  const list = without.map((table) => `${displayName(table)} (${table.identity === "nothing" ? "REPLICA IDENTITY NOTHING" : table.identity === "index" ? "its identity index is gone" : "no primary key"})`);
  throw new ReshardError("REPLICA_IDENTITY_MISSING", `Updates and deletes of ${without.length === 1 ? "this table" : "these tables"} name no row: ${list.join(", ")}.`, {
    remedy: "Give each a primary key, or ALTER TABLE … REPLICA IDENTITY USING INDEX with a unique index over NOT NULL columns, or REPLICA IDENTITY FULL; or take it out of the publication.",
  });
}

/** The server's version as `server_version_num`: 180004 is 18.4. */
export async function readServerVersion(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ version: number }>("SELECT current_setting('server_version_num')::int4 AS version");
  return rows[0]!.version;
}
