import { clock } from "../pipelines/show-schema-sync.js";
import type { CutoverRow, CutoverStepRow } from "../pipelines/show-cutover.js";
import { column, type Table, tableOf } from "./answer.js";

interface Row {
  readonly cutover: CutoverRow;
  readonly step: CutoverStepRow;
}

const COLUMNS = [
  column<Row>("migration", "text", ({ cutover }) => cutover.migration),
  column<Row>("direction", "text", ({ cutover }) => cutover.direction),
  column<Row>("state", "text", ({ cutover }) => cutover.state),
  column<Row>("step", "text", ({ step }) => step.step),
  column<Row>("step_state", "text", ({ step }) => step.state),
  column<Row>("elapsed", "text", ({ step }) => (step.elapsed === undefined ? undefined : clock(step.elapsed))),
  column<Row>("elapsed_ms", "float8", ({ step }) => (step.elapsed === undefined ? undefined : rounded(step.elapsed))),
  /** Milliseconds that applications waited, over all steps. */
  column<Row>("paused_ms", "float8", ({ cutover }) => (cutover.paused === undefined ? undefined : rounded(cutover.paused))),
  column<Row>("started_at", "timestamptz", ({ cutover }) => cutover.startedAt),
  column<Row>("ended_at", "timestamptz", ({ cutover }) => cutover.endedAt),
  column<Row>("reason", "text", ({ cutover }) => cutover.reason),
];

/** SHOW CUTOVER: the last cutovers, the newest first, a row for each step. */
export function showCutovers(cutovers: readonly CutoverRow[]): Table {
  const rows = [...cutovers].sort((a, b) => b.startedAt.getTime() - a.startedAt.getTime()).flatMap((cutover) => cutover.steps.map((step): Row => ({ cutover, step })));
  return tableOf(COLUMNS, rows);
}

function rounded(milliseconds: number): number {
  return Math.round(10 * milliseconds) / 10;
}
