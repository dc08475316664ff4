import { displayName, type TableName } from "../postgres/identifiers.js";
import type { PlannedStatement, SchemaPlan } from "./schema-plan.js";
import { as, nameParts, parseStatement, qualified } from "./syntax-tree.js";
import { tableDefinitions } from "./table-definitions.js";
import { uniqueColumns } from "./unique-columns.js";
import { counted, listed } from "../words.js";

/** Where a table's rows are. */
export type Placement =
  /** All of them on every shard. */
  | { readonly kind: "everywhere" }
  /** All on one shard. */
  | { readonly kind: "shard"; readonly shard: number }
  /** By the value of a column; equal values are on the same shard where `rule` is the same text. */
  | { readonly kind: "key"; readonly column: string; readonly rule: string };

export interface ConstraintsWithinShards {
  readonly plan: SchemaPlan;
  /** What a person should know about it, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * The plan without the foreign keys that cannot hold on a shard by itself, because the row they refer to may be on another:
 * they are skipped, each with its reason. Unique constraints and indexes that do not contain the sharding key stay, and
 * are told of: they hold on each shard, not across them.
 *
 * @param placementOf undefined for tables whose rows are not moved
 */
export function withinShards(plan: SchemaPlan, placementOf: (table: TableName) => Placement | undefined): ConstraintsWithinShards {
  const leftOut: string[] = [];
  const perShard: string[] = [];
  const settle = (statement: PlannedStatement): PlannedStatement => {
    if (statement.phase === "skip" || statement.table === undefined) return statement;
    if (statement.kind === "foreign key") {
      const reason = foreignKeyReason(statement, placementOf);
      if (reason === undefined) return statement;
      leftOut.push(`${nameOf(statement)} (${reason})`);
      return { ...statement, phase: "skip", reason: `does not hold on a shard by itself: ${reason}` };
    }
    const columns = uniqueColumns(statement);
    const placement = placementOf(statement.table);
    if (columns !== undefined && placement?.kind === "key" && !columns.includes(placement.column)) perShard.push(`${nameOf(statement)} (${columns.join(", ")})`);
    return statement;
  };
  const settled = new Map(plan.statements.map((statement) => [statement, settle(statement)]));
  const skipped = new Set([...settled].flatMap(([before, after]) => (before.phase !== after.phase ? [constraintId(after.table!, after.object?.name)] : [])));
  const statements = [...settled.values()].map((statement): PlannedStatement =>
    skipped.size > 0 && statement.kind === "comment" && skipped.has(commentedConstraint(statement)) ? { ...statement, phase: "skip", reason: "its foreign key is not carried" } : statement,
  );
  const notes: string[] = [];
  if (leftOut.length > 0) notes.push(`Left out, for the row they refer to may be on another shard: ${countedAndListed("foreign key", leftOut)}.`);
  if (perShard.length > 0) notes.push(`Unique on each shard only, for they do not contain the sharding key: ${countedAndListed("key", perShard)}.`);
  return {
    plan: {
      statements: [...statements.filter(({ phase }) => phase !== "skip"), ...statements.filter(({ phase }) => phase === "skip")],
      keyUnits: plan.keyUnits.map((unit) => ({ ...unit, statements: unit.statements.map((statement) => settled.get(statement) ?? statement) })),
    },
    notes,
  };
}

/** Why a foreign key cannot hold; undefined where it does. */
function foreignKeyReason(statement: PlannedStatement, placementOf: (table: TableName) => Placement | undefined): string | undefined {
  const key = tableDefinitions([statement]).foreignKeys[0];
  if (key === undefined) return undefined;
  const [child, parent] = [placementOf(key.table), placementOf(key.referenced.table)];
  // Nobody brings rows to the child.
  if (child === undefined) return undefined;
  const there = displayName(key.referenced.table);
  if (parent === undefined) return `${there} is not published, so that its rows are on no shard`;
  if (parent.kind === "everywhere") return undefined;
  if (child.kind === "everywhere") return `${displayName(key.table)} is on every shard, ${there} is not`;
  if (child.kind === "shard" || parent.kind === "shard") {
    return child.kind === "shard" && parent.kind === "shard" && child.shard === parent.shard ? undefined : `${displayName(key.table)} and ${there} are on different shards`;
  }
  if (child.rule !== parent.rule) return `${displayName(key.table)} and ${there} are sharded by different rules`;
  const place = key.columns.indexOf(child.column);
  if (place >= 0 && key.referenced.columns[place] === parent.column) return undefined;
  const named = key.referenced.columns.indexOf(parent.column);
  if (named >= 0) return `${displayName(key.table)} goes by ${child.column}, and has the ${parent.column} of ${there} in ${key.columns[named]!}`;
  // Both have the same sharding key, of which the foreign key says nothing: rows that belong together are expected to have the same value in it.
  if (child.column === parent.column && place < 0) return undefined;
  return `${displayName(key.table)} goes by ${child.column}, ${there} by ${parent.column}`;
}

function commentedConstraint({ sql }: PlannedStatement): string {
  const comment = as(parseStatement(sql), "CommentStmt");
  if (comment?.objtype !== "OBJECT_TABCONSTRAINT") return "";
  const parts = nameParts(as(comment.object, "List")?.items);
  return constraintId(qualified(parts.slice(0, -1)), parts.at(-1));
}

function constraintId(table: TableName, name = ""): string {
  return JSON.stringify([table.schema, table.name, name]);
}

function nameOf({ object, table }: PlannedStatement): string {
  return object === undefined || object.name === "" ? displayName(table!) : `${displayName(table!)}.${object.name}`;
}

function countedAndListed(what: string, items: readonly string[]): string {
  return `${counted(items.length, what)}: ${listed(items)}`;
}
