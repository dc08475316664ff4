import type { Pipeline, SchemaPhase } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import type { MigrationNames } from "./admin-command.js";

export const TASK_KINDS = ["reshard", "copy_data", "schema_sync", "replication", "verify"] as const;

export type TaskKind = (typeof TASK_KINDS)[number];

/** What a task is to do. */
export interface TaskSpec extends MigrationNames {
  readonly kind: TaskKind;
  readonly slot: string | undefined;
  /** Of a schema sync. */
  readonly phase: SchemaPhase | undefined;
  /** The way back of a cutover: changes of what is in charge now stream into what was left. */
  readonly reverse: boolean;
}

/** The `type` of SHOW TASKS: `reshard prod -> prod_2x`, `schema_sync(pre) prod -> prod_2x`. */
export function taskType({ kind, source, destination, phase, reverse }: Pick<TaskSpec, "kind" | "source" | "destination" | "phase" | "reverse">): string {
  return `${kind}${phase === undefined ? "" : `(${phase.replace("-", "_")})`} ${source} -> ${destination}${reverse ? " (reverse)" : ""}`;
}

/** The same for all tasks that would work on the same rows, in whichever direction. */
export function migrationKey({ from, to, publication }: Pick<Pipeline, "from" | "to" | "publication">): string {
  const ends = [from, to].map((database) => displayAddress(database.shards[0]!.primary)).sort();
  return JSON.stringify([...ends, publication]);
}
