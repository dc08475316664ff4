import type { Fields } from "../../schema/syntax-tree.js";
import { displayName } from "../../postgres/identifiers.js";
import { type Distribution, SAME } from "./distribution.js";
import { bytesOfInteger } from "./key-bytes.js";
import { parseStatements } from "./parse-statements.js";
import type { Context } from "./query-analysis.js";
import type { Item, Level, NamedQuery } from "./scope.js";
import { columnsOf, renamed } from "./scope-column.js";
import { findRelation, type Relation } from "./sharded-catalog.js";
import type { KeySet } from "./statement-plan.js";

/** What a name in FROM stands for: a common table expression, a table, a view, a system catalog. */
export function analyseRelation(range: Fields<"RangeVar">, level: Level, context: Context): Item {
  const { schemaname: schema = "", relname: name = "" } = range;
  const base = { name: range.alias?.aliasname ?? name, schema: range.alias === undefined ? schema : "" };
  const query = schema === "" ? level.table(name) : undefined;
  if (query !== undefined) {
    return { ...base, distribution: query.distribution, columns: query.columns?.map((column) => ({ ...column })), relation: undefined };
  }
  const found = findRelation(context.catalog, schema, name, context.searchPath);
  if (found.kind === "relation") {
    const { relation } = found;
    // Without an alias a table can be named with its schema, whether FROM does so or not.
    const named = range.alias === undefined ? { name: relation.name, schema: relation.schema } : base;
    return { ...named, ...rowsOfRelation(relation, context), relation };
  }
  if (found.kind === "missing") context.facts.missing.push({ schema, name });
  return { ...base, distribution: found.kind === "system" ? { kind: "each", first: true } : SAME, columns: undefined, relation: undefined };
}

function rowsOfRelation(relation: Relation, context: Context): NamedQuery {
  if (relation.unusable !== undefined) {
    const obstacle = { reason: relation.unusable, remedy: "Correct the sharding rules or the table." };
    return { distribution: { kind: "whole", pins: undefined, obstacle }, columns: columnsOf(relation) };
  }
  switch (relation.kind) {
    case "sequence":
    case "foreign":
      return { distribution: { kind: "each", first: true }, columns: columnsOf(relation) };
    case "view":
      return rowsOfView(relation, context);
    case "table":
      return { distribution: distributionOf(relation), columns: columnsOf(relation) };
  }
}

/** Of a table's rows. */
export function distributionOf({ placement }: Relation): Distribution {
  switch (placement.kind) {
    case "omnisharded":
      return SAME;
    case "fixed":
      return { kind: "split", pin: fixedPin(placement.shard) };
    case "key":
      return { kind: "split", pin: undefined };
  }
}

const fixedPins = new Map<number, KeySet>();

/** A key whose shard is that one; the same object for the same shard. */
function fixedPin(shard: number): KeySet {
  const pin = fixedPins.get(shard) ?? { shardOf: () => shard, dataType: "bigint", values: [{ kind: "constant", bytes: bytesOfInteger(0n)! }], stored: false };
  fixedPins.set(shard, pin);
  return pin;
}

/** The shard where a key is no more than its name; see `fixedPin`. */
export function fixedShardOf(pin: KeySet): number | undefined {
  return [...fixedPins].find(([, known]) => known === pin)?.[0];
}

/** As its definition has them; a materialized view has of each shard's rows what that had then. */
function rowsOfView(view: Relation, context: Context): NamedQuery {
  const known = columnsOf(view);
  const parsed = parseStatements(view.definition ?? "");
  const [statement] = "statements" in parsed ? parsed.statements : [];
  if (statement === undefined) {
    const obstacle = { reason: `The definition of the view ${displayName(view)} cannot be read.`, remedy: "Name its tables in the statement." };
    return { distribution: { kind: "whole", pins: undefined, obstacle }, columns: known };
  }
  const { distribution, columns } = context.analyse(statement.node, undefined, []);
  if (columns?.length !== known.length) return { distribution, columns: known };
  return { distribution, columns: columns.map((column, index) => ({ ...renamed(column, known[index]!.name), family: known[index]!.family, order: known[index]!.order, type: known[index]!.type })) };
}
