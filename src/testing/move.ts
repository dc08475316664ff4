import type { OperatorChain } from "../operators/operator-chain.js";
import { EVERY_SHARD, type TableRoute } from "../sharding/table-route.js";
import { bytesOf, type TestRow } from "./test-rows.js";
import { tableOfShape, type TestTable } from "./test-table.js";

/** A move of tables in memory. */
export interface Move {
  readonly tables: readonly TestTable[];
  readonly chainOf: (table: TestTable) => OperatorChain | undefined;
  /** Where a table's rows go, as operators have left it. */
  readonly routeOf: (table: TestTable) => TableRoute;
  readonly shards: number;
}

/** A table as its operators leave it. */
export function tableAfter(table: TestTable, { chainOf }: Pick<Move, "chainOf">): TestTable {
  const chain = chainOf(table);
  return chain === undefined ? table : tableOfShape(chain.output, table);
}

/** The shard that a row belongs on, found the plain way; `EVERY_SHARD` where all have it. */
export function homeOf(table: TestTable, row: TestRow, route: TableRoute): number {
  if (route.kind === "omnisharded") return EVERY_SHARD;
  if (route.kind === "fixed") return route.shard;
  const place = table.columns.findIndex(({ name }) => name === route.column);
  const text = row[place] ?? null;
  const bytes = text === null ? undefined : bytesOf(table.columns[place]!, text, "binary");
  return route.shardOf(bytes ?? Buffer.alloc(0), 0, bytes?.length ?? -1);
}
