import { displayName } from "../../postgres/identifiers.js";
import { as, type Node, type NodeType } from "../../schema/syntax-tree.js";
import { newFacts } from "./analyse-query.js";
import type { Obstacle } from "./distribution.js";
import { inspectExpressions } from "./inspect-expressions.js";
import type { ParsedStatement } from "./parse-statements.js";
import { differences, planQuery } from "./plan-query.js";
import type { PlanningContext } from "./planning-context.js";
import { refused } from "./route-distribution.js";
import { Level } from "./scope.js";
import { findRelation } from "./sharded-catalog.js";
import type { RefusedPlan, RoutedPlan } from "./statement-plan.js";
import { walkTree } from "./walk-tree.js";

/** Statements that define something, the same on each shard. */
const DEFINITIONS: ReadonlySet<NodeType> = new Set<NodeType>([
  "CreateStmt", "AlterTableStmt", "DropStmt", "IndexStmt", "ViewStmt", "CreateSchemaStmt", "AlterObjectSchemaStmt", "RenameStmt", "CommentStmt",
  "CreateFunctionStmt", "AlterFunctionStmt", "CreateTrigStmt", "CreateSeqStmt", "AlterSeqStmt", "CreateEnumStmt", "AlterEnumStmt", "CompositeTypeStmt",
  "CreateDomainStmt", "AlterDomainStmt", "CreateRangeStmt", "GrantStmt", "GrantRoleStmt", "AlterDefaultPrivilegesStmt", "CreateRoleStmt", "AlterRoleStmt",
  "AlterRoleSetStmt", "DropRoleStmt", "AlterOwnerStmt", "CreateExtensionStmt", "AlterExtensionStmt", "AlterExtensionContentsStmt", "CreatePolicyStmt",
  "AlterPolicyStmt", "RuleStmt", "CreateStatsStmt", "AlterStatsStmt", "CreateCastStmt", "DefineStmt", "CreateOpClassStmt", "CreateOpFamilyStmt",
  "AlterOperatorStmt", "AlterOpFamilyStmt", "AlterTypeStmt", "CreateConversionStmt", "CreateTransformStmt", "CreateAmStmt", "CreateEventTrigStmt",
  "AlterEventTrigStmt", "CreatePLangStmt", "AlterTSConfigurationStmt", "AlterTSDictionaryStmt", "SecLabelStmt", "ReassignOwnedStmt", "DropOwnedStmt",
  "RefreshMatViewStmt", "CreatePublicationStmt", "AlterPublicationStmt", "AlterObjectDependsStmt", "AlterCollationStmt", "CreateTableAsStmt",
  "CreateFdwStmt", "AlterFdwStmt", "CreateForeignServerStmt", "AlterForeignServerStmt", "CreateUserMappingStmt", "AlterUserMappingStmt", "DropUserMappingStmt",
  "CreateForeignTableStmt", "ImportForeignSchemaStmt",
]);

/** Goes to every shard; the first one's answer is the client's. */
export function everywhere(parts: Partial<RoutedPlan> = {}): RoutedPlan {
  return { kind: "routed", where: { kind: "every" }, gather: { kind: "same" }, writes: true, definesSchema: false, alone: false, everywhere: [], ...parts };
}

/** CREATE, ALTER, DROP, GRANT and the like; undefined where it is none of these. */
export function planDefinition(statement: ParsedStatement, planning: PlanningContext): RoutedPlan | RefusedPlan | undefined {
  const { node } = statement;
  const [type] = Object.keys(node) as [NodeType];
  if (!DEFINITIONS.has(type)) return undefined;
  if (isTemporary(node)) return refused(TEMPORARY);
  const table = as(node, "CreateTableAsStmt");
  if (table !== undefined && table.objtype !== "OBJECT_MATVIEW") return refused(FROM_QUERY);
  if (table?.query !== undefined) {
    const query = planQuery({ ...statement, node: table.query }, planning);
    const plain = query.kind === "routed" && (query.where.kind === "any" || (query.gather.kind === "union" && query.gather.limit === undefined && query.gather.offset === undefined && query.textForSeveral === undefined));
    if (!plain) return query.kind === "refused" ? query : refused(FROM_SEVERAL);
  }
  const differing = addedColumnObstacle(node, planning);
  if (differing !== undefined) return refused(differing);
  return everywhere({ definesSchema: true, alone: runsAlone(node) });
}

/** Statements that PostgreSQL refuses inside a transaction block (PreventInTransactionBlock). */
function runsAlone(node: Node): boolean {
  const commands = (as(node, "AlterTableStmt")?.cmds ?? []).map((command) => as(as(command, "AlterTableCmd")?.def, "PartitionCmd"));
  return as(node, "IndexStmt")?.concurrent === true || as(node, "DropStmt")?.concurrent === true || commands.some((command) => command?.concurrent === true);
}

function isTemporary(node: Node): boolean {
  let temporary = false;
  const look = (range: { readonly relpersistence?: string; readonly schemaname?: string } | undefined): void => {
    if (range?.relpersistence === "t" || range?.schemaname === "pg_temp") temporary = true;
  };
  look(as(node, "CreateStmt")?.relation);
  look(as(node, "CreateTableAsStmt")?.into?.rel);
  look(as(node, "ViewStmt")?.view);
  look(as(node, "CreateSeqStmt")?.sequence);
  look(as(node, "AlterTableStmt")?.relation);
  return temporary;
}

/** Rows that an omnisharded table has already get the new column's default: on each shard one of its own, where it is no constant. */
function addedColumnObstacle(node: Node, planning: PlanningContext): Obstacle | undefined {
  const alter = as(node, "AlterTableStmt");
  const range = alter?.relation;
  if (alter === undefined || range === undefined) return undefined;
  const found = findRelation(planning.catalog, range.schemaname ?? "", range.relname ?? "", planning.searchPath);
  if (found.kind !== "relation" || found.relation.kind !== "table" || found.relation.placement.kind !== "omnisharded") return undefined;
  const facts = newFacts();
  const added = (alter.cmds ?? []).flatMap((command) => as(command, "AlterTableCmd") ?? []).filter(({ subtype }) => subtype === "AT_AddColumn" || subtype === "AT_AlterColumnType");
  inspectExpressions(added, new Level(undefined), { ...planning, facts, analyse: () => { throw new Error("A column's definition has no subqueries."); } });
  walkTree(added, {
    ColumnDef: ({ typeName }) => {
      if (/serial\d?$/.test(as(typeName?.names?.at(-1), "String")?.sval ?? "")) facts.effects.add("sequence");
      return undefined;
    },
    Constraint: ({ contype }) => {
      if (contype === "CONSTR_IDENTITY") facts.effects.add("sequence");
      return undefined;
    },
  });
  if (differences(facts) === undefined) return undefined;
  return {
    reason: `It gives the rows of the omnisharded table ${displayName(found.relation)} values that each shard would compute for itself.`,
    remedy: "Add the column without a default, UPDATE it with values that are the same everywhere, and set the default then (ALTER COLUMN … SET DEFAULT).",
  };
}

export const TEMPORARY: Obstacle = {
  reason: "A temporary table lives in one session of one shard, while this session may have several.",
  remedy: "Use a table of a schema of your own, or WITH; or say the shard in a comment (/* pgdog_shard: 0 */) for it and for every statement that uses it.",
};

const FROM_QUERY: Obstacle = {
  reason: "CREATE TABLE AS makes a table of each shard's rows, whatever the new table's sharding rule is.",
  remedy: "CREATE TABLE first, then INSERT … SELECT.",
};

const FROM_SEVERAL: Obstacle = {
  reason: "The materialized view's query is not right on each shard by itself (order, limit, aggregates over several shards).",
  remedy: "Select or group by the sharding key, or keep the result in a table.",
};
