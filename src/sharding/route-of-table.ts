import type { KeyType, ShardedTable, ShardingRules } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import { checkShard, keyRouter } from "./key-router.js";
import type { TableRoute } from "./table-route.js";

/** A table as routing sees it. */
export interface RoutedTable extends TableName {
  readonly columns: readonly {
    readonly name: string;
    /** `pg_type.typname`, of the base type where the column's type is a domain: int8, varchar, … */
    readonly type: string;
  }[];
}

/**
 * The types (`pg_type.typname`) whose binary form and hash are those of a `data_type`. Not in here on purpose: bpchar,
 * which PostgreSQL hashes without its trailing blanks, and citext, which it hashes in lower case.
 */
const TYPES_OF: Readonly<Record<KeyType, readonly string[]>> = {
  bigint: ["int2", "int4", "int8"],
  uuid: ["uuid"],
  varchar: ["text", "varchar"],
};

/**
 * Where the rows of a table go. The first of these that applies:
 *
 * 1. The table is listed in `[[omnisharded_tables]]`.
 * 2. A `[[sharded_tables]]` entry with its name; one that also gives the schema before one that does not.
 * 3. The first `[[sharded_tables]]` entry without a name whose column the table has.
 * 4. `[[sharded_schemas]]`: the entry with its schema's name, else the entry without a name.
 * 5. Else it is omnisharded.
 *
 * @throws ReshardError SHARDING_COLUMN_MISSING where the entry that names the table names a column it does not have,
 * SHARDING_COLUMN_TYPE where the column's type does not fit the entry's data_type
 */
export function routeOfTable(table: RoutedTable, rules: ShardingRules, shards: number): TableRoute {
  if (rules.omnisharded.some((name) => namesTable(name, table))) return { kind: "omnisharded" };
  const rule = ruleOfTable(table, rules.tables);
  if (rule !== undefined) {
    checkColumn(table, rule);
    return { kind: "key", column: rule.column, dataType: rule.dataType, shardOf: keyRouter(rule, shards) };
  }
  const schema = rules.schemas.find(({ name }) => name === table.schema) ?? rules.schemas.find(({ name }) => name === undefined);
  if (schema === undefined || schema.all === true) return { kind: "omnisharded" };
  checkShard(schema.shard, shards, schema.name === undefined ? "The default [[sharded_schemas]] entry" : `The [[sharded_schemas]] entry of ${schema.name}`);
  return { kind: "fixed", shard: schema.shard };
}

/** Whether an entry without a name, or with this table's, is about the table. */
export function ruleApplies(rule: ShardedTable, table: RoutedTable): boolean {
  if (rule.schema !== undefined && rule.schema !== table.schema) return false;
  return rule.name === undefined ? hasColumn(table, rule.column) : rule.name === table.name;
}

/** Whether an `[[omnisharded_tables]]` name, `table` or `schema.table`, is this table's. */
export function namesTable(name: string, table: TableName): boolean {
  return name === table.name || name === `${table.schema}.${table.name}`;
}

/** The `[[sharded_tables]]` entry that applies to a table which is not listed as omnisharded. */
export function ruleOfTable(table: RoutedTable, rules: readonly ShardedTable[]): ShardedTable | undefined {
  const candidates = rules.filter((rule) => ruleApplies(rule, table));
  return (
    candidates.find((rule) => rule.name !== undefined && rule.schema !== undefined) ??
    candidates.find((rule) => rule.name !== undefined) ??
    candidates[0]
  );
}

function hasColumn(table: RoutedTable, column: string): boolean {
  return table.columns.some(({ name }) => name === column);
}

function checkColumn(table: RoutedTable, rule: ShardedTable): void {
  const column = table.columns.find(({ name }) => name === rule.column);
  const place = { table: displayName(table) };
  if (column === undefined) {
    const others = rule.schema === undefined ? ' If another schema\'s table is meant, add schema = "…" to the entry.' : "";
    throw new ReshardError(
      "SHARDING_COLUMN_MISSING",
      `The [[sharded_tables]] entry of ${displayName(table)} names the column "${rule.column}", which the table does not have.`,
      {
        place,
        remedy: `Name one of its columns (${table.columns.map(({ name }) => name).join(", ")}), or list the table in [[omnisharded_tables]].${others}`,
      },
    );
  }
  if (TYPES_OF[rule.dataType].includes(column.type)) return;
  const fitting = (Object.keys(TYPES_OF) as KeyType[]).find((dataType) => TYPES_OF[dataType].includes(column.type));
  const remedy =
    fitting === undefined
      ? `Rows can be sharded by columns of the types ${Object.values(TYPES_OF).flat().join(", ")}: name another column, or list the table in [[omnisharded_tables]].`
      : `Set data_type = "${fitting}" in the entry${rule.name === undefined ? `, or give this table an entry of its own (name = "${table.name}")` : ""}.`;
  throw new ReshardError(
    "SHARDING_COLUMN_TYPE",
    `Column "${column.name}" of ${displayName(table)} is of type ${column.type}, which data_type = "${rule.dataType}" does not cover.`,
    { place, remedy },
  );
}
