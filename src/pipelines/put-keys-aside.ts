import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, qualifiedName, quoteIdentifier, tableId } from "../postgres/identifiers.js";
import { reasonOf, sqlState } from "../postgres/server-errors.js";
import { keyUnitOf } from "../schema/apply-keys.js";
import { type Presence, presenceQuery } from "../schema/presence.js";
import type { PlannedStatement, SchemaPlan } from "../schema/schema-plan.js";
import type { Migration } from "./migration.js";

/** dependent_objects_still_exist: a foreign key refers to it. */
const NEEDED_ELSEWHERE = "2BP01";

/**
 * Drops primary keys and replica identities that stand on the shards before the rows do; they are built again after them.
 * A row that moves between source shards may be in the snapshots of both, and would not let itself be copied twice.
 */
export async function putKeysAside(migration: Migration, plan: SchemaPlan, tables: readonly PublishedTable[]): Promise<void> {
  const units = new Map(tables.map((table) => [tableId(keyUnitOf(plan, table).root), keyUnitOf(plan, table)]));
  await Promise.all(
    migration.shards.map((shard) => migration.sessions.kept.useOnce(shard, "schema", async (client) => {
      for (const { root, statements } of units.values()) {
        // Those of partitions go with the root's.
        const rootFirst = [...statements].sort((a, b) => Number(isOf(b, root)) - Number(isOf(a, root)));
        for (const { presence } of rootFirst) {
          const drop = dropStatement(presence);
          if (presence === undefined || drop === undefined) continue;
          const { text, values } = presenceQuery(presence)!;
          if ((await client.query(text, [...values])).rowCount === 0) continue;
          await client.query(drop).catch((error: unknown) => {
            if (sqlState(error) !== NEEDED_ELSEWHERE) throw error;
            migration.report({ type: "note", message: `${displayAddress(shard)}: ${displayName(root)} keeps its key while rows of several source shards are copied (${reasonOf(error)}); a row that is moved between them meanwhile stops the copy.` });
          });
        }
      }
    })),
  );
}

function dropStatement(presence: Presence | undefined): string | undefined {
  if (presence?.type === "index") return `DROP INDEX ${qualifiedName(presence.name)}`;
  return presence?.type === "constraint" ? `ALTER TABLE ${qualifiedName(presence.table)} DROP CONSTRAINT ${quoteIdentifier(presence.name)}` : undefined;
}

function isOf({ table }: PlannedStatement, root: { readonly schema: string; readonly name: string }): boolean {
  return table !== undefined && tableId(table) === tableId(root);
}
