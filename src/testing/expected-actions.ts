import { Action } from "../change-batch.js";
import { EVERY_SHARD, type TableRoute } from "../sharding/table-route.js";
import { homeOf } from "./move.js";
import { isOutside, type TestRow } from "./test-rows.js";
import type { TestTable } from "./test-table.js";

/** A row before and after a change; absent where there was or is none. */
export interface RowChange {
  readonly before?: TestRow;
  readonly after?: TestRow;
}

/**
 * What each shard has to do for a change, found from whole rows: undefined is nothing. Where the sharding key is not part of
 * the replica identity a change does not tell where the row was, and all shards but its new one delete it.
 */
export function expectedActions(table: TestTable, route: TableRoute, shards: number, { before, after }: RowChange): (Action | undefined)[] {
  const home = (row: TestRow | undefined): number | undefined => (row === undefined ? undefined : homeOf(table, row, route));
  const [was, is] = [home(before), home(after)];
  const key = route.kind === "key" ? table.columns.findIndex(({ name }) => name === route.column) : -1;
  const isTold = key < 0 || table.full === true || table.columns[key]!.key === true;
  const isSent = isTold || before?.[key] !== after?.[key] || !isOutside(table.columns[key]!, after?.[key] ?? null);
  return Array.from({ length: shards }, (_, shard) => {
    const had = was === shard || was === EVERY_SHARD || (before !== undefined && !isTold);
    const has = is === shard || is === EVERY_SHARD;
    if (before === undefined) return has ? Action.Upsert : undefined;
    if (after !== undefined && !isSent) return Action.UpdateAnywhere;
    if (has) return had && isTold ? Action.Update : Action.Arrive;
    return had ? Action.Delete : undefined;
  });
}
