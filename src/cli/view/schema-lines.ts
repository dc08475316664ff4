import { elapsed, type SchemaProgress, type SchemaRow } from "../../pipelines/schema-progress.js";
import { displayObject } from "../../schema/schema-plan.js";
import { left, printable, right } from "./fit.js";
import { formatDuration, formatShare } from "../../pipelines/quantities.js";

/** Statements that are over sooner would only flicker. */
const SHOWN_AFTER_MILLISECONDS = 300;

const SHARD_CELLS = 10;
/** The longest step, `initializing`, and a percentage. */
const STEP_CELLS = 18;
const ELAPSED_CELLS = 13;

/** A line for each statement that has been under way for more than a moment, each at most `columns` cells. */
export function schemaLines(progress: SchemaProgress, columns: number, now: number): string[] {
  return progress.underWay().filter((row) => elapsed(row, now)! >= SHOWN_AFTER_MILLISECONDS).map((row) => {
    const name = left(printable(nameOf(row)), Math.max(8, columns - 2 - SHARD_CELLS - STEP_CELLS - ELAPSED_CELLS));
    return `  ${left(`shard ${row.shard}`, SHARD_CELLS)}${name}${right(stepOf(row), STEP_CELLS)}${right(formatDuration(wholeSeconds(row, now)), ELAPSED_CELLS)}`;
  });
}

/** For a log: `shard 0: index orders_user_id_idx: scanning 63%, 12 s`. */
export function describeStatement(row: SchemaRow, now: number): string {
  const step = stepOf(row);
  return printable(`shard ${row.shard}: ${nameOf(row)}: ${step === "" ? "" : `${step}, `}${formatDuration(wholeSeconds(row, now))}`);
}

function nameOf({ kind, object, table }: SchemaRow): string {
  const name = object ?? table;
  return name === undefined ? kind : `${kind} ${displayObject(name)}`;
}

/** `scanning 63%`: the first of the server's words. */
function stepOf({ doing, share }: SchemaRow): string {
  if (doing === undefined) return "";
  const word = doing.split(" ")[0]!;
  return share === undefined ? word : `${word} ${formatShare(share)}`;
}

/** Tenths would move too fast to be read. */
function wholeSeconds(row: SchemaRow, now: number): number {
  const milliseconds = elapsed(row, now)!;
  return milliseconds < 1000 ? milliseconds : Math.floor(milliseconds / 1000) * 1000;
}
