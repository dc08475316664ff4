import { clock } from "../pipelines/show-schema-sync.js";
import { column, type Table, tableOf } from "./answer.js";
import type { TaskView } from "./task.js";
import { taskType } from "./task-spec.js";
import { innerStatusOf, progressWords, statusOf, subtaskStatus, subtaskType } from "./task-words.js";

interface Row {
  readonly id: number | undefined;
  readonly scope: "root" | "subtask";
  readonly type: string;
  readonly status: string;
  readonly innerStatus: string | undefined;
  readonly startedAt: number;
  readonly updatedAt: number;
  readonly elapsed: number;
  readonly progress: string | undefined;
  readonly message: string | undefined;
}

/** PgDog's columns, then how far it is and what an operator should read. */
const COLUMNS = [
  column<Row>("id", "int8", ({ id }) => id),
  column<Row>("scope", "text", ({ scope }) => scope),
  column<Row>("type", "text", ({ type }) => type),
  column<Row>("status", "text", ({ status }) => status),
  column<Row>("inner_status", "text", ({ innerStatus }) => innerStatus),
  column<Row>("started_at", "timestamptz", ({ startedAt }) => new Date(startedAt)),
  column<Row>("updated_at", "timestamptz", ({ updatedAt }) => new Date(updatedAt)),
  column<Row>("elapsed", "text", ({ elapsed }) => clock(elapsed)),
  column<Row>("elapsed_ms", "int8", ({ elapsed }) => elapsed),
  column<Row>("progress", "text", ({ progress }) => progress),
  column<Row>("message", "text", ({ message }) => message),
];

/**
 * SHOW TASKS: each task, and below it its parts.
 *
 * @param tasks the newest first
 * @param now milliseconds since 1970
 */
export function showTasks(tasks: readonly TaskView[], now: number): Table {
  return tableOf(COLUMNS, tasks.flatMap((task) => [rootRow(task, now), ...subtaskRows(task, now)]));
}

function rootRow(task: TaskView, now: number): Row {
  const { id, spec, startedAt, updatedAt, endedAt, failure, warning, progress } = task;
  return {
    id,
    scope: "root",
    type: taskType(spec),
    status: statusOf(task),
    innerStatus: innerStatusOf(task),
    startedAt,
    updatedAt,
    elapsed: Math.max(0, (endedAt ?? now) - startedAt),
    progress: endedAt === undefined ? progressWords(task, progress.stage) : undefined,
    message: failure?.remedy ?? warning ?? (endedAt === undefined ? progress.message : undefined),
  };
}

/** What a task is as a whole is not its part. */
function subtaskRows(task: TaskView, now: number): Row[] {
  const own = taskType(task.spec);
  return task.progress.subtasks.flatMap((subtask): Row[] => {
    const type = subtaskType(task, subtask);
    if (type === own) return [];
    return [{
      id: undefined,
      scope: "subtask",
      type,
      status: subtask.state,
      innerStatus: subtaskStatus(task, subtask),
      startedAt: subtask.startedAt,
      updatedAt: subtask.updatedAt,
      elapsed: Math.max(0, (subtask.endedAt ?? now) - subtask.startedAt),
      progress: progressWords(task, subtask.stage),
      message: undefined,
    }];
  });
}
