import { as, type Fields } from "../../schema/syntax-tree.js";
import { analyseRelation } from "./analyse-relation.js";
import { changeObstacle } from "./analyse-change.js";
import { newFacts } from "./analyse-query.js";
import type { Obstacle } from "./distribution.js";
import type { ParsedStatement } from "./parse-statements.js";
import { onOneShard, planQuery } from "./plan-query.js";
import type { PlanningContext } from "./planning-context.js";
import type { Context } from "./query-analysis.js";
import { refused } from "./route-distribution.js";
import { Level } from "./scope.js";
import { columnOf, type Relation } from "./sharded-catalog.js";
import type { CopyInPlan, RefusedPlan, StatementPlan } from "./statement-plan.js";

type Copy = Fields<"CopyStmt">;

/** COPY in both directions. */
export function planCopy(copy: Copy, statement: ParsedStatement, planning: PlanningContext): StatementPlan {
  if (copy.filename !== undefined || copy.is_program === true) {
    return refused({ reason: "COPY reads or writes a file on a server: each shard has its own.", remedy: "COPY … FROM STDIN or TO STDOUT, or say the shard in a comment: /* pgdog_shard: 0 */." });
  }
  const options = optionsOf(copy);
  if ("reason" in options) return refused(options);
  return copy.is_from === true ? copyIn(copy, options, planning) : copyOut(copy, options, statement, planning);
}

function copyOut(copy: Copy, options: CopyOptions, statement: ParsedStatement, planning: PlanningContext): StatementPlan {
  // COPY t TO is SELECT * FROM ONLY t, of which the order and number of columns matter to nobody here.
  const query = copy.query ?? { SelectStmt: { targetList: [{ ResTarget: { val: { ColumnRef: { fields: [{ A_Star: {} }] } } } }], fromClause: [{ RangeVar: copy.relation ?? {} }], limitOption: "LIMIT_OPTION_DEFAULT", op: "SETOP_NONE" } };
  const plan = planQuery({ ...statement, node: query }, planning);
  if (plan.kind === "insert-everywhere" || plan.kind === "split-insert") return refused({ reason: "COPY of an INSERT that goes to several shards.", remedy: "Use INSERT … RETURNING." });
  if (plan.kind !== "routed" || plan.where.kind === "any" || plan.where.kind === "first" || plan.where.kind === "fixed" || plan.gather.kind === "same") return plan;
  const { gather } = plan;
  const plain = gather.kind === "union" && gather.limit === undefined && gather.offset === undefined && plan.textForSeveral === undefined;
  if (plain && options.format !== "binary" && !options.header) return plan;
  const obstacle =
    plain ? { reason: "COPY TO of several shards in binary, or with a header, would have each shard's beginning and end in the middle.", remedy: "Use text or csv without HEADER." }
    : gather.kind === "one-shard-only" ? gather
    : { reason: "COPY TO of several shards is their lines one after another: no order, limit or aggregate of all of them.", remedy: "Leave ORDER BY and LIMIT out, use SELECT, or restrict it to one sharding key." };
  return plan.where.kind === "keys" ? onOneShard(plan, obstacle) : refused(obstacle);
}

function copyIn(copy: Copy, options: CopyOptions, planning: PlanningContext): CopyInPlan | RefusedPlan {
  const facts = newFacts();
  const context: Context = { ...planning, facts, analyse: () => { throw new Error("COPY FROM has no subqueries."); } };
  const item = analyseRelation(copy.relation!, new Level(undefined), context);
  const [unknown] = facts.missing;
  if (unknown !== undefined) return { ...refused({ reason: `The relation ${unknown.name} is not known.`, remedy: "Check its name and the search_path." }), unknownRelation: unknown };
  const obstacle = changeObstacle(item, "insert", context);
  const { relation } = item;
  if (obstacle !== undefined || relation === undefined) return refused(obstacle ?? { reason: "COPY FROM into something that is no table.", remedy: "Name a table." });
  const named = (copy.attlist ?? []).map((name) => as(name, "String")?.sval ?? "");
  const columns = named.length > 0 ? named : relation.columns.filter(({ generated }) => !generated).map(({ name }) => name);
  const where = whereOf(relation, columns, planning.catalog.shards);
  if ("reason" in where) return refused(where);
  const everywhere = relation.placement.kind === "omnisharded" ? [{ schema: relation.schema, name: relation.name }] : [];
  return { kind: "copy-in", where, everywhere, ...options };
}

function whereOf(relation: Relation, columns: readonly string[], shards: number): CopyInPlan["where"] | Obstacle {
  const { placement } = relation;
  if (placement.kind === "fixed") return placement.shard < shards ? placement : { reason: "Its shard does not exist.", remedy: "Correct the sharding rules." };
  if (placement.kind === "omnisharded") {
    const own = relation.columns.find((column) => !columns.includes(column.name) && (column.identity !== undefined || column.default.kind === "volatile" || column.default.kind === "own-key"));
    return own === undefined ? { kind: "every" } : {
      reason: `COPY FROM leaves the column ${own.name} of an omnisharded table to its default, of which each shard would have another value.`,
      remedy: `Give ${own.name} in the data, or INSERT the rows.`,
    };
  }
  const column = columns.indexOf(placement.column);
  if (column >= 0) {
    const maxLength = columnOf(relation, placement.column)?.maxLength;
    const keySet = { shardOf: placement.shardOf, dataType: placement.dataType, values: [], stored: true, ...(maxLength === undefined ? {} : { maxLength }) };
    return { kind: "key", column, columns: columns.length, keySet };
  }
  if (columnOf(relation, placement.column)?.default.kind === "own-key") return { kind: "any" };
  return { reason: `COPY FROM without the sharding key ${placement.column}, which decides each row's shard.`, remedy: `Give ${placement.column} in the data.` };
}

type CopyOptions = Pick<CopyInPlan, "format" | "delimiter" | "nullText" | "quote" | "escape" | "header">;

/** Options that change nothing of how a row is read here. */
const HARMLESS = new Set(["freeze", "force_quote", "force_not_null", "force_null", "log_verbosity"]);

function optionsOf(copy: Copy): CopyOptions | Obstacle {
  const given = new Map((copy.options ?? []).flatMap((node) => as(node, "DefElem") ?? []).map((option) => [option.defname ?? "", option.arg]));
  const text = (name: string): string | undefined => {
    const arg = given.get(name);
    return as(arg, "String")?.sval ?? (as(arg, "String") === undefined ? undefined : "");
  };
  const format = text("format") ?? "text";
  const known = new Set(["format", "delimiter", "null", "quote", "escape", "header", "encoding", ...HARMLESS]);
  const other = [...given.keys()].find((name) => !known.has(name));
  if (other !== undefined) return { reason: `COPY with the option ${other.toUpperCase()} is not read here.`, remedy: "Leave the option out." };
  const encoding = text("encoding");
  if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) return { reason: "COPY in another encoding than UTF-8.", remedy: "Convert the data to UTF-8." };
  if (format !== "text" && format !== "csv" && format !== "binary") return { reason: `COPY in the format ${format}.`, remedy: "Use text, csv or binary." };
  // Forced values of the key itself would be others than its text.
  if (copy.is_from === true && (given.has("force_null") || given.has("force_not_null"))) return { reason: "COPY FROM with FORCE_NULL or FORCE_NOT_NULL.", remedy: "Leave the option out, and write NULLs as the NULL option has them." };
  const csv = format === "csv";
  const quote = text("quote") ?? '"';
  return { format, delimiter: text("delimiter") ?? (csv ? "," : "\t"), nullText: text("null") ?? (csv ? "" : "\\N"), quote, escape: text("escape") ?? quote, header: headerOf(given) };
}

function headerOf(given: ReadonlyMap<string, unknown>): boolean {
  if (!given.has("header")) return false;
  const arg = given.get("header") as Parameters<typeof as>[0];
  const text = as(arg, "String")?.sval ?? String(as(arg, "Integer")?.ival ?? as(arg, "Boolean")?.boolval ?? "true");
  return /^(?:true|on|1|yes|t|match)$/i.test(text);
}
