import { isSound } from "../pipelines/table-verdict.js";
import { column, type Table, tableOf } from "./answer.js";
import type { TaskView } from "./task.js";
import type { VerdictAt } from "./task-progress.js";

interface Row extends VerdictAt {
  readonly task: number;
}

const COLUMNS = [
  column<Row>("task_id", "int8", ({ task }) => task),
  column<Row>("table", "text", ({ verdict }) => verdict.table),
  column<Row>("sharding", "text", ({ verdict }) => verdict.sharding),
  column<Row>("source_rows", "int8", ({ verdict }) => verdict.sourceRows),
  /** On each shard. */
  column<Row>("shard_rows", "text", ({ verdict }) => verdict.shardRows.join(", ")),
  column<Row>("equal", "bool", ({ verdict }) => verdict.equal),
  column<Row>("misplaced", "int8", ({ verdict }) => verdict.misplaced),
  column<Row>("sound", "bool", ({ verdict }) => isSound(verdict)),
  column<Row>("verified_at", "timestamptz", ({ at }) => new Date(at)),
];

/** SHOW VERIFY: what the last comparison of each task found, what is wrong first. */
export function showVerify(tasks: readonly TaskView[]): Table {
  const rows = tasks.flatMap((task) => task.progress.verdicts.map((verdict): Row => ({ ...verdict, task: task.id })));
  return tableOf(COLUMNS, rows.sort((a, b) => b.task - a.task || Number(isSound(a.verdict)) - Number(isSound(b.verdict)) || (a.verdict.table < b.verdict.table ? -1 : 1)));
}
