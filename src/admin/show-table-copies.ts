import { clock } from "../pipelines/show-schema-sync.js";
import type { TableCopy } from "../pipelines/copy-progress.js";
import { formatBytes } from "../pipelines/quantities.js";
import { formatCount } from "../words.js";
import { column, type Table, tableOf } from "./answer.js";
import type { TaskView } from "./task.js";

interface Row extends TableCopy {
  readonly task: number;
  readonly elapsed: number | undefined;
  /** The task has ended: what it had not done is not waited for. */
  readonly stopped: boolean;
}

/** PgDog's columns, then what it does not tell. Finished tables keep their totals. */
const COLUMNS = [
  column<Row>("schema", "text", ({ name }) => name?.schema),
  column<Row>("table", "text", ({ name, table }) => name?.name ?? table),
  column<Row>("status", "text", ({ state, stopped }) => (stopped && state !== "done" ? "stopped" : state)),
  column<Row>("rows", "int8", ({ rows }) => rows),
  column<Row>("rows_human", "text", ({ rows }) => formatCount(rows)),
  column<Row>("bytes", "int8", ({ bytes }) => bytes),
  column<Row>("bytes_human", "text", ({ bytes }) => formatBytes(bytes)),
  column<Row>("bytes_per_sec", "int8", perSecond),
  column<Row>("bytes_per_sec_human", "text", (row) => {
    const rate = perSecond(row);
    return rate === undefined ? undefined : `${formatBytes(rate)}/s`;
  }),
  column<Row>("elapsed", "text", ({ elapsed }) => (elapsed === undefined ? undefined : clock(elapsed))),
  column<Row>("elapsed_ms", "int8", ({ elapsed }) => elapsed),
  column<Row>("sql", "text", ({ sql }) => sql),
  column<Row>("task_id", "int8", ({ task }) => task),
  column<Row>("source_shard", "int8", ({ sourceShard }) => sourceShard ?? 0),
  column<Row>("estimated_rows", "int8", ({ estimatedRows }) => estimatedRows),
  column<Row>("percent", "int8", ({ state, rows, estimatedRows, copiedAt }) => (state === "waiting" ? 0 : copiedAt !== undefined ? 100 : estimatedRows > 0 ? Math.min(99, Math.floor((100 * rows) / estimatedRows)) : undefined)),
  column<Row>("started_at", "timestamptz", ({ startedAt }) => dateOf(startedAt)),
  column<Row>("finished_at", "timestamptz", ({ endedAt }) => dateOf(endedAt)),
  column<Row>("standby", "text", ({ standby }) => standby),
];

const ORDER = ["running", "building key", "waiting", "done"] as const;

/**
 * SHOW TABLE_COPIES: those that run first, those that are done last.
 *
 * @param now milliseconds since 1970
 */
export function showTableCopies(tasks: readonly TaskView[], now: number): Table {
  const rows = tasks.flatMap((task) => task.progress.copies.copies().map((copy): Row => {
    const stopped = task.endedAt !== undefined;
    const end = copy.endedAt ?? task.endedAt ?? now;
    return { ...copy, task: task.id, stopped, elapsed: copy.startedAt === undefined ? undefined : Math.max(0, end - copy.startedAt) };
  }));
  return tableOf(COLUMNS, rows.sort((a, b) => b.task - a.task || ORDER.indexOf(a.state) - ORDER.indexOf(b.state)));
}

/** On the average, of the rows alone. */
function perSecond({ bytes, startedAt, copiedAt, elapsed }: Row): number | undefined {
  const milliseconds = startedAt !== undefined && copiedAt !== undefined ? copiedAt - startedAt : elapsed;
  return milliseconds === undefined || milliseconds <= 0 ? undefined : Math.round((1000 * bytes) / milliseconds);
}

function dateOf(milliseconds: number | undefined): Date | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds);
}
