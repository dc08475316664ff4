import type { ShardingRules } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import { checkShard, keyRouter } from "../sharding/key-router.js";
import { routeOfTable, type RoutedTable } from "../sharding/route-of-table.js";
import type { TableRoute } from "../sharding/table-route.js";

/**
 * Where rows go when they have passed their operators: as one of these says, or else by the rules.
 *
 * @param after - the table behind them: rules are about the destination's tables
 * @throws ReshardError as `routeOfTable` and `routeByOperator`
 */
export function routeBehind(after: PublishedTable, chain: OperatorChain | undefined, rules: ShardingRules, shards: number): TableRoute {
  return (chain && routeByOperator(after, chain, shards)) ?? routeOfTable(routedTable(after), rules, shards);
}

/** A table as routing sees it: partitions go by the name of the topmost table. */
export function routedTable({ root, columns }: Pick<PublishedTable, "root" | "columns">): RoutedTable {
  return { ...root, columns: columns.map((column) => ({ name: column.name, type: column.baseType })) };
}

/** Where rows go that an operator gave another rule. */
export function routeByOperator(table: TableName, { sharding, output }: OperatorChain, shards: number): TableRoute | undefined {
  switch (sharding?.kind) {
    case undefined:
      return undefined;
    case "omnisharded":
      return { kind: "omnisharded" };
    case "shard":
      checkShard(sharding.shard, shards, `The operator's rule for ${displayName(table)}`);
      return { kind: "fixed", shard: sharding.shard };
    case "key": {
      const { column, dataType, hasher } = sharding;
      if (!output.columns.some(({ name }) => name === column)) {
        throw new ReshardError("SHARDING_COLUMN_MISSING", `An operator routes ${displayName(table)} by the column "${column}", which it does not have.`, { place: { table: displayName(table) }, remedy: `Name one of ${output.columns.map(({ name }) => name).join(", ")}.` });
      }
      return { kind: "key", column, dataType, shardOf: keyRouter({ dataType, hasher, mapping: [] }, shards) };
    }
  }
}
