import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { finishMigration } from "../pipelines/finish.js";
import { displayAddress } from "../postgres/connection.js";
import type { Task, TaskView } from "./task.js";
import { type TaskKind, taskType } from "./task-spec.js";

export function isCancelling({ state }: TaskView): boolean {
  return state === "cancelling";
}

/** From the same servers. */
export function isOneWay(one: Pipeline, other: Pipeline): boolean {
  return displayAddress(one.from.shards[0]!.primary) === displayAddress(other.from.shards[0]!.primary);
}

/** It works with slots and progress of its own. */
export function isMigration(kind: TaskKind): boolean {
  return kind === "reshard" || kind === "copy_data" || kind === "replication";
}

/** Drops a migration's slots, and its progress on the shards where that was asked for. */
export async function dropMigration({ ways, spec, dropProgress }: Task): Promise<void> {
  await finishMigration({ pipeline: ways!.pipeline, dropProgress });
  // The way there has left its progress on the other side.
  if (spec.reverse && dropProgress) await finishMigration({ pipeline: ways!.opposite, dropProgress });
}

export function alreadyRunning(task: TaskView): ReshardError {
  return new ReshardError("ALREADY_RUNNING", `Task ${task.id} (${taskType(task.spec)}) works on the same migration.`, {
    remedy: `Wait for it, or STOP_TASK ${task.id}; SHOW TASKS tells how far it is.`,
  });
}

/** @param task undefined where there is none that was named */
export function notReplicating(task: TaskView | undefined): ReshardError {
  return new ReshardError("NOT_REPLICATING", "task is not a replication task", {
    remedy: task === undefined ? "SHOW TASKS lists the tasks; only one that replicates can be cut over." : `Task ${task.id} (${taskType(task.spec)}) is ${task.endedAt === undefined ? "not replicating yet" : task.state}. SHOW TASKS tells how far it is.`,
  });
}
