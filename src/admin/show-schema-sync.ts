import { type SchemaSyncRow, schemaSyncRow } from "../pipelines/show-schema-sync.js";
import { column, type Table, tableOf } from "./answer.js";
import type { TaskView } from "./task.js";

interface Row extends SchemaSyncRow {
  readonly task: number;
}

const COLUMNS = [
  column<Row>("database", "text", ({ database }) => database),
  column<Row>("user", "text", ({ user }) => user),
  column<Row>("shard", "int8", ({ shard }) => shard),
  column<Row>("kind", "text", ({ kind }) => kind),
  column<Row>("sync_state", "text", ({ sync_state }) => sync_state),
  column<Row>("started_at", "timestamptz", ({ started_at }) => started_at),
  column<Row>("elapsed", "text", ({ elapsed }) => elapsed),
  column<Row>("elapsed_ms", "int8", ({ elapsed_ms }) => elapsed_ms),
  column<Row>("table_schema", "text", ({ table_schema }) => table_schema),
  column<Row>("table_name", "text", ({ table_name }) => table_name),
  column<Row>("sql", "text", ({ sql }) => sql),
  column<Row>("task_id", "int8", ({ task }) => task),
  column<Row>("phase", "text", ({ phase }) => phase),
  column<Row>("statement_kind", "text", ({ statement_kind }) => statement_kind),
  column<Row>("percent", "int8", ({ percent }) => percent),
  column<Row>("step", "text", ({ step }) => step),
  column<Row>("error", "text", ({ error }) => error),
];

const ORDER = ["running", "failed", "waiting"];

/**
 * SHOW SCHEMA_SYNC: statements that run, those that failed, those that wait. What is done is gone, and with the task what
 * it has not come to.
 *
 * @param now milliseconds since 1970
 */
export function showSchemaSync(tasks: readonly TaskView[], now: number): Table {
  const rows = tasks.flatMap((task) => {
    const shards = task.pipeline?.to.shards ?? [];
    return task.progress.schema.rows()
      .filter(({ state }) => state === "failed" || (task.endedAt === undefined && state !== "done"))
      .map((row): Row => ({ ...schemaSyncRow(row, { database: task.spec.destination, user: shards[row.shard]?.primary.user ?? "" }, now), task: task.id }));
  });
  return tableOf(COLUMNS, rows.sort((a, b) => b.task - a.task || ORDER.indexOf(a.sync_state) - ORDER.indexOf(b.sync_state)));
}
