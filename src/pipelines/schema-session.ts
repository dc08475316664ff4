import type pg from "pg";
import type { General, ServerAddress } from "../config/types.js";
import type { Migration } from "./migration.js";

/** Opens a session that changes the schema of a shard, with the memory that index builds are to have. */
export async function openSchemaSession({ sessions, pipeline }: Pick<Migration, "sessions" | "pipeline">, shard: ServerAddress): Promise<pg.Client> {
  return await sessions.destination(shard, "schema", { parameters: schemaParameters(pipeline.general) });
}

/** Run-time parameters that the operator has chosen for index builds. */
export function schemaParameters({ reshardingMaintenanceWorkMem: memory }: General): Readonly<Record<string, string>> {
  return memory === undefined ? {} : { maintenance_work_mem: memory };
}
