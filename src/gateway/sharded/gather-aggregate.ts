import type { FieldDescription } from "../../wire/backend-messages.js";
import type { Aggregate } from "../planning/statement-plan.js";
import { combineValues } from "./aggregate-values.js";
import { columnValue, rowOf } from "./data-row.js";
import { failure } from "./failure.js";
import type { TextTraits } from "./gather-merge.js";
import type { GatheredRows, ShardRows } from "./shard-rows.js";

/**
 * One row out of the one row of each shard.
 * @throws WireError 0A000 where the values of a column's type cannot be put together
 */
export function gatherAggregate(answers: readonly ShardRows[], aggregates: readonly Aggregate[], fields: readonly FieldDescription[], traits: TextTraits): GatheredRows {
  const combine = aggregates.map((aggregate, column) => {
    const field = fields[column];
    if (field === undefined) throw failure("XX000", `an aggregate's answer has ${fields.length} columns instead of ${aggregates.length}`);
    return combineValues(aggregate.function, field.typeOid, field.format, { ...traits, bytewiseText: aggregate.bytewise });
  });
  return (async function* () {
    const rows: Buffer[] = [];
    for (const answer of answers) {
      const row = await answer.next();
      if (row === undefined || (await answer.next()) !== undefined) throw failure("XX000", `shard ${answer.shard} answered an aggregate with other than one row`);
      rows.push(row.bytes);
    }
    yield rowOf(combine.map((combined, column) => combined(rows.map((row) => columnValue(row, column)))));
  })();
}
