import { formatBytes } from "../pipelines/quantities.js";
import { counted, formatCount } from "../words.js";
import type { TaskView } from "./task.js";
import type { Subtask } from "./task-progress.js";
import { taskType } from "./task-spec.js";

/** A task's `status`: PgDog's words. */
export function statusOf({ state, failure }: Pick<TaskView, "state" | "failure">): string {
  return state === "failed" ? `failed: ${failure?.message ?? "unknown"}` : state;
}

/** A task's `inner_status`: what a root task does now. Nothing where it has ended. */
export function innerStatusOf(task: TaskView): string | undefined {
  if (task.endedAt !== undefined) return undefined;
  switch (task.spec.kind) {
    case "replication":
      return task.interlude ?? "replicating";
    case "schema_sync":
      return schemaStatus(task, task.spec.phase ?? "pre");
    case "verify":
      return "verifying";
    case "reshard":
    case "copy_data":
      return movingStatus(task.progress.stage ?? task.progress.subtasks.at(-1)?.stage);
  }
}

function movingStatus(stage: string | undefined): string {
  switch (stage) {
    case undefined:
    case "schema_sync:pre":
      return "syncing schema";
    case "copy":
      return "syncing data";
    case "schema_sync:post":
      return "finalizing schema";
    default:
      return "replicating";
  }
}

/** @param phase `pre`, `post`, `cutover` or `post-cutover` */
function schemaStatus({ progress }: TaskView, phase: string): string {
  const planned = progress.schema.rows().some((row) => row.phase === phase || (row.phase === "key" && phase === "pre"));
  if (!planned) return "loading schema";
  return phase === "pre" ? "syncing tables" : phase === "post" ? "creating indexes" : "syncing cutover schema";
}

/** A subtask's `type`, as the task's own would be. */
export function subtaskType({ spec }: TaskView, { stage }: Subtask): string {
  const { source, destination } = spec;
  const phase = /^schema_sync:(.*)$/.exec(stage)?.[1];
  if (phase !== undefined) return `schema_sync(${phase.replace("-", "_")}) ${source} -> ${destination}`;
  if (stage === "replicate") return taskType({ kind: "replication", source, destination, phase: undefined, reverse: spec.reverse });
  return `${stage === "copy" ? "data_sync" : stage} ${source} -> ${destination}`;
}

/** What a subtask does now. */
export function subtaskStatus(task: TaskView, subtask: Subtask): string | undefined {
  if (subtask.state !== "running") return undefined;
  const phase = /^schema_sync:(.*)$/.exec(subtask.stage)?.[1];
  if (phase !== undefined) return schemaStatus(task, phase);
  if (subtask.stage === "replicate") return task.interlude ?? "replicating";
  return undefined;
}

/** How far a stage is, in a few words: `3 of 12 tables, 1,234 rows`, `lag 1.2 MB`. */
export function progressWords({ progress }: TaskView, stage: string | undefined): string | undefined {
  const phase = stage === undefined ? undefined : /^schema_sync:(.*)$/.exec(stage)?.[1];
  if (phase !== undefined) {
    const rows = progress.schema.rows().filter((row) => row.phase === phase);
    return rows.length === 0 ? undefined : `${formatCount(rows.filter(({ state }) => state === "done").length)} of ${counted(rows.length, "statement")}`;
  }
  switch (stage) {
    case "copy": {
      const copies = progress.copies.copies();
      const rows = copies.reduce((sum, copy) => sum + copy.rows, 0);
      return copies.length === 0 ? undefined : `${formatCount(copies.filter(({ state }) => state === "done").length)} of ${counted(copies.length, "table")}, ${counted(rows, "row")}`;
    }
    case "replicate": {
      if (!progress.isStreaming) return undefined;
      const lag = Math.max(...progress.streams.map((stream) => stream.lag));
      return lag === 0 ? "no lag" : `lag ${formatBytes(lag)}`;
    }
    case "verify":
      return progress.comparing === undefined ? undefined : `${formatCount(progress.comparing.done)} of ${counted(progress.comparing.tables, "table")}`;
    case "cutover":
      return progress.cutoverStep;
    default:
      return undefined;
  }
}
