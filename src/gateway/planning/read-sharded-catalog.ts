import type { ShardingRules } from "../../config/types.js";
import {
  CARRIES_SQL, type CarryRow, type ColumnRow, COLUMNS_SQL, type FunctionRow, FUNCTIONS_SQL, OPERATORS_SQL, type RelationRow, RELATIONS_SQL, SYSTEM_RELATIONS_SQL, type TriggerRow,
  TRIGGERS_SQL, type UniqueKeyRow, UNIQUE_KEYS_SQL,
} from "./catalog-queries.js";
import { shardedCatalog } from "./sharded-catalog-of.js";
import type { ShardedCatalog } from "./sharded-catalog.js";

/** Answers a query with rows, values parsed as node-postgres does: its client, or a session within a transaction. */
export interface CatalogReader {
  query(sql: string): Promise<{ readonly rows: readonly unknown[] }>;
}

/**
 * Reads what planning needs from one shard: once, and again after DDL. Call `loadParser` first.
 * @param client a session of `connect`, of which the search_path is pg_catalog, so that names come qualified
 * @param shards how many there are
 */
export async function readShardedCatalog(client: CatalogReader, rules: ShardingRules, shards: number): Promise<ShardedCatalog> {
  const rows = async <R extends object>(sql: string): Promise<R[]> => (await client.query(sql)).rows as R[];
  return shardedCatalog(
    {
      relations: await rows<RelationRow>(RELATIONS_SQL),
      columns: await rows<ColumnRow>(COLUMNS_SQL),
      uniqueKeys: await rows<UniqueKeyRow>(UNIQUE_KEYS_SQL),
      triggers: await rows<TriggerRow>(TRIGGERS_SQL),
      carries: await rows<CarryRow>(CARRIES_SQL),
      functions: await rows<FunctionRow>(FUNCTIONS_SQL),
      operators: (await rows<{ name: string }>(OPERATORS_SQL)).map(({ name }) => name),
      systemRelations: (await rows<{ name: string }>(SYSTEM_RELATIONS_SQL)).map(({ name }) => name),
    },
    rules,
    shards,
  );
}
