import type pg from "pg";
import { OWN_SCHEMA } from "./catalog.js";
import type { TableName } from "./identifiers.js";

/** What a publication sends of INSERT, UPDATE, DELETE and TRUNCATE. */
export const PUBLISHED_KINDS = ["insert", "update", "delete", "truncate"] as const;
export type PublishedKind = (typeof PUBLISHED_KINDS)[number];

/** A publication as it is defined, and the tables that come of it. */
export interface PublicationDefinition {
  readonly name: string;
  readonly allTables: boolean;
  readonly kinds: ReadonlySet<PublishedKind>;
  /** publish_via_partition_root */
  readonly viaRoot: boolean;
  /** FOR TABLES IN SCHEMA */
  readonly schemas: readonly string[];
  /** FOR TABLE: tables by name. */
  readonly listed: readonly ListedTable[];
  /** All tables that it sends, by whatever rule; partitions one by one, or with `viaRoot` their roots. */
  readonly tables: readonly (TableName & { readonly root: TableName })[];
}

export interface ListedTable extends TableName {
  /** The column list; undefined: all. */
  readonly columns: readonly string[] | undefined;
  /** SQL of the row filter. */
  readonly filter: string | undefined;
}

interface Row {
  all_tables: boolean;
  via_root: boolean;
  kinds: PublishedKind[];
  schemas: string[];
  listed: { schema: string; name: string; columns: string[] | null; filter: string | null }[];
  tables: { schema: string; name: string; root_schema: string; root_name: string }[];
}

/** SQL, of a row `p` of pg_publication: an array of the kinds that it sends, or those that it leaves out. */
export function publishedKindsSql(which: "sent" | "left out"): string {
  return `array_remove(ARRAY[${PUBLISHED_KINDS.map((kind) => `CASE WHEN ${which === "sent" ? "" : "NOT "}p.pub${kind} THEN '${kind}' END`).join(", ")}], NULL)`;
}

const SQL = `
  SELECT p.puballtables AS all_tables, p.pubviaroot AS via_root,
         ${publishedKindsSql("sent")} AS kinds,
         COALESCE((SELECT json_agg(n.nspname ORDER BY n.nspname) FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid), '[]') AS schemas,
         COALESCE((SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'filter', pg_get_expr(r.prqual, r.prrelid), 'columns',
                            (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[]))) ORDER BY n.nspname, c.relname)
                     FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.prpubid = p.oid), '[]') AS listed,
         COALESCE((SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'root_schema', rn.nspname, 'root_name', rc.relname) ORDER BY n.nspname, c.relname)
                     FROM pg_get_publication_tables(p.pubname) AS t JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> '${OWN_SCHEMA}'
                     JOIN pg_class rc ON rc.oid = COALESCE(pg_partition_root(c.oid), c.oid) JOIN pg_namespace rn ON rn.oid = rc.relnamespace), '[]') AS tables
    FROM pg_publication p WHERE p.pubname = $1`;

/** Undefined where there is no such publication. */
export async function readPublicationDefinition(client: pg.Client, name: string): Promise<PublicationDefinition | undefined> {
  const row = (await client.query<Row>(SQL, [name])).rows[0];
  if (row === undefined) return undefined;
  return {
    name,
    allTables: row.all_tables,
    kinds: new Set(row.kinds),
    viaRoot: row.via_root,
    schemas: row.schemas,
    listed: row.listed.map((table) => ({ schema: table.schema, name: table.name, columns: table.columns ?? undefined, filter: table.filter ?? undefined })),
    tables: row.tables.map((table) => ({ schema: table.schema, name: table.name, root: { schema: table.root_schema, name: table.root_name } })),
  };
}
