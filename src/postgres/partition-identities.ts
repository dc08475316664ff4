import type pg from "pg";
import { ReshardError } from "../errors.js";
import type { PublishedTable } from "./catalog.js";
import { displayName, type TableName } from "./identifiers.js";

interface PartitionRow extends TableName {
  root: number;
  identity: "d" | "i" | "f" | "n";
  key: string[];
}

const PARTITIONS_SQL = `
  SELECT root::int8::float8 AS root, n.nspname AS schema, c.relname AS name, c.relreplident AS identity,
         COALESCE((SELECT json_agg(a.attname ORDER BY k.position)
                     FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                    WHERE i.indrelid = c.oid AND i.indimmediate AND k.position <= i.indnkeyatts
                      AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END), '[]') AS key
    FROM unnest($1::oid[]) AS root, pg_partition_tree(root) AS tree
    JOIN pg_class c ON c.oid = tree.relid
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE tree.isleaf AND c.relkind = 'r'
   ORDER BY n.nspname, c.relname`;

/**
 * With publish_via_partition_root changes are described as the root's, but what they say of the old row is up to the
 * partition's own replica identity, which ALTER TABLE on the root does not change. Refuses partitions, all in one
 * message, that say less than the root's description promises: a deletion would then name no row, and a row's move to
 * another shard would not show.
 */
export async function checkPartitionIdentities(client: pg.Client, tables: readonly PublishedTable[]): Promise<void> {
  const roots = new Map(tables.filter((table) => table.partitioned).map((table) => [table.oid, table]));
  if (roots.size === 0) return;
  const { rows } = await client.query<PartitionRow>(PARTITIONS_SQL, [[...roots.keys()]]);
  const wrong = rows.flatMap((partition) => {
    const root = roots.get(partition.root)!;
    if (partition.identity === "f") return [];
    if (partition.identity === "n" || partition.key.length === 0) return [`${displayName(partition)} has none`];
    if (root.identity === "full") return [`${displayName(partition)} has (${partition.key.join(", ")}) and its root ${displayName(root)} FULL`];
    const same = partition.key.length === root.key.length && partition.key.every((column) => root.key.includes(column));
    return same ? [] : [`${displayName(partition)} has (${partition.key.join(", ")}) and its root ${displayName(root)} (${root.key.join(", ")})`];
  });
  if (wrong.length === 0) return;
  throw new ReshardError("PARTITION_IDENTITY_DIFFERS", `Partitions have another replica identity than the root as which they are published: ${wrong.join("; ")}.`, {
    remedy: "ALTER TABLE … REPLICA IDENTITY applies to one table only: give each partition that of its root, or REPLICA IDENTITY FULL.",
  });
}
