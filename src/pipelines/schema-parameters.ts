import type { General } from "../config/types.js";

/** Run-time parameters that the operator has chosen for sessions that build indexes. */
export function schemaParameters({ reshardingMaintenanceWorkMem: memory }: General): Readonly<Record<string, string>> {
  return memory === undefined ? {} : { maintenance_work_mem: memory };
}
