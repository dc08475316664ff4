import type pg from "pg";
import type { EqualStep, RowSet } from "../apply-step.js";
import { ReshardError } from "../errors.js";
import { displayName } from "../postgres/identifiers.js";
import { planByIndex, planFreely } from "../postgres/planner-settings.js";
import { deleteEqualStatement, updateEqualStatement } from "./equal-row-statements.js";
import { inOrder } from "./in-order.js";
import type { TargetTable } from "./target-table.js";

/** What a step needs of the session that it runs in. */
export interface EqualRun {
  readonly client: pg.Client;
  readonly encode: (rows: RowSet) => Buffer;
  readonly insert: (rows: RowSet) => Promise<void>;
}

/** Runs a step on a table whose rows have no key. All of it is sent at once, as steps of a group are to be. */
export async function applyEqualStep(run: EqualRun, target: TargetTable, step: EqualStep): Promise<void> {
  switch (step.kind) {
    case "insert":
      await run.insert(step.rows);
      break;
    case "delete-equal":
      await change(run, target, step.rows, deleteEqualStatement(target), [run.encode(step.rows)]);
      break;
    case "update-equal": {
      // A column GENERATED ALWAYS AS IDENTITY can be inserted but not set.
      if (step.columns.some((column) => target.columns[column]!.identityAlways)) {
        await inOrder([change(run, target, step.oldRows, deleteEqualStatement(target), [run.encode(step.oldRows)]), run.insert(step.rows)]);
        break;
      }
      const text = updateEqualStatement(target, step.columns);
      if (text !== undefined) await change(run, target, step.rows, text, [run.encode(step.oldRows), run.encode(step.rows)]);
      break;
    }
  }
}

/** A row that is not there cannot be told from one that was changed before: going on would hide the difference. */
async function change({ client }: EqualRun, target: TargetTable, rows: RowSet, text: string, values: Buffer[]): Promise<void> {
  const planned = client.query(planFreely("SET LOCAL"));
  const changed = client.query({ text, values });
  await inOrder([planned, changed, client.query(planByIndex("SET LOCAL"))]);
  const missing = rows.count - ((await changed).rowCount ?? 0);
  if (missing === 0) return;
  const name = displayName(target.table);
  throw new ReshardError("ROW_MISSING", `${name} lacks ${missing} of the rows that the source has changed or deleted; it has no key, so they are looked for by all of their values.`, {
    remedy: `Something else has written to ${name} on the shard. Compare it with the source, put its rows back as they were, and start again: the stream goes on at this change.`,
    place: { table: name },
  });
}
