import type { Pipeline } from "../config/types.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { type TableName, tableId } from "../postgres/identifiers.js";
import type { Placement } from "../schema/constraints-within-shards.js";
import { routeOfTable, ruleOfTable } from "../sharding/route-of-table.js";
import { ruleId } from "../sharding/rule-id.js";
import { routedTable } from "./route-behind.js";

/** Where the pipeline puts the rows of the published tables; a partitioned table's are where its partitions' are. */
export function placements({ to }: Pick<Pipeline, "to">, tables: readonly PublishedTable[]): (table: TableName) => Placement | undefined {
  const placed = new Map<string, Placement>();
  for (const table of tables) {
    const routed = routedTable(table);
    const route = routeOfTable(routed, to.sharding, to.shards.length);
    const placement: Placement =
      to.shards.length === 1 || route.kind === "omnisharded" ? { kind: "everywhere" }
      : route.kind === "fixed" ? { kind: "shard", shard: route.shard }
      : { kind: "key", column: route.column, rule: ruleId(ruleOfTable(routed, to.sharding.tables)!) };
    placed.set(tableId(table), placement);
    placed.set(tableId(table.root), placement);
  }
  return (table) => placed.get(tableId(table));
}
