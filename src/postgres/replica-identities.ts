import type pg from "pg";
import { OWN_SCHEMA } from "./catalog.js";
import { type TableName, tableId } from "./identifiers.js";

/** How a table's updates and deletes name the row. */
export type ReplicaIdentity =
  | { readonly kind: "default" | "full" | "nothing" }
  | { readonly kind: "index"; readonly index: string; readonly columns: readonly string[] };

export type ReplicaIdentities = ReadonlyMap<string, TableName & { readonly identity: ReplicaIdentity }>;

interface Row extends TableName {
  identity: "d" | "f" | "n" | "i";
  index: string | null;
  columns: string[];
}

const SQL = `
  SELECT n.nspname AS schema, c.relname AS name, c.relreplident AS identity, x.relname AS index,
         COALESCE((SELECT json_agg(a.attname ORDER BY k.position) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE k.position <= i.indnkeyatts), '[]') AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident AND c.relreplident = 'i' LEFT JOIN pg_class x ON x.oid = i.indexrelid
   WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', '${OWN_SCHEMA}')`;

const KINDS = { d: "default", f: "full", n: "nothing" } as const;

/** Partitions are there beside the roots that they are published as: what is sent of an old row is up to them. */
const PUBLISHED = `
   AND c.oid IN (SELECT relid FROM pg_get_publication_tables($1) UNION SELECT part.relid FROM pg_get_publication_tables($1) AS t, pg_partition_tree(t.relid) AS part)`;

/** Of all tables of a database, or those of a publication, by `tableId`. An index that is gone leaves nothing. */
export async function readReplicaIdentities(client: pg.Client, publication?: string): Promise<ReplicaIdentities> {
  const { rows } = await (publication === undefined ? client.query<Row>(SQL) : client.query<Row>(SQL + PUBLISHED, [publication]));
  return new Map(rows.map(({ schema, name, identity, index, columns }) => {
    const found: ReplicaIdentity = identity !== "i" ? { kind: KINDS[identity] } : index === null ? { kind: "nothing" } : { kind: "index", index, columns };
    return [tableId({ schema, name }), { schema, name, identity: found }];
  }));
}
