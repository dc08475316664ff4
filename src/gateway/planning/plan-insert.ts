import { type TableName, quoteIdentifier, qualifiedName } from "../../postgres/identifiers.js";
import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import type { InsertAnalysis } from "./analyse-insert.js";
import { deparseChecked, isTextOf } from "./deparse-checked.js";
import { expressionOf } from "./insert-keys.js";
import { distinctSets } from "./key-sets.js";
import type { ParsedStatement } from "./parse-statements.js";
import { parseStatements } from "./parse-statements.js";
import type { QueryAnalysis, StatementFacts } from "./query-analysis.js";
import type { Relation } from "./sharded-catalog.js";
import type { InsertEverywherePlan, KeySet, SplitInsertPlan, StatementPlan } from "./statement-plan.js";
import { valueRows } from "./value-rows.js";

type Insert = Fields<"InsertStmt">;

/** A plan of its own for an INSERT that cannot go as it is; undefined where `plan` stands. */
export function insertPlan(statement: ParsedStatement, analysis: QueryAnalysis, facts: StatementFacts, plan: StatementPlan): StatementPlan | undefined {
  const insert = as(statement.node, "InsertStmt");
  if (insert === undefined) return undefined;
  const found = analysis as InsertAnalysis;
  const { relation } = found.target;
  const steady = found.source.kind === "same" || found.source.kind === "each";
  if (relation === undefined || found.refusal !== undefined || insert.withClause !== undefined || !steady || facts.effects.has("drawn") || facts.effects.has("setting") || facts.effects.has("lock")) return undefined;
  if (relation.placement.kind === "key") return splitInsert(statement, insert, found);
  // Which of two rows of a query is there first, and which then conflicts with it, is each shard's own affair.
  const racing = insert.onConflictClause !== undefined && as(insert.selectStmt, "SelectStmt")?.valuesLists === undefined;
  if (relation.placement.kind === "omnisharded" && (plan.kind === "refused" || racing) && !facts.effects.has("unknown") && !facts.locks) return insertEverywhere(statement, insert, relation) ?? plan;
  return undefined;
}

/** Rows of VALUES whose keys are not all the same. */
function splitInsert(statement: ParsedStatement, insert: Insert, { rowKeys }: InsertAnalysis): SplitInsertPlan | undefined {
  const keys = rowKeys?.flatMap((key) => (key.kind === "key" ? [key.set] : []));
  if (rowKeys === undefined || keys === undefined || keys.length !== rowKeys.length || keys.length < 2) return undefined;
  if (distinctSets(keys).length === 1) return undefined;
  const textOf = splitText(statement, insert);
  return textOf === undefined ? undefined : { kind: "split-insert", rows: keys.map((key): { readonly key: KeySet } => ({ key })), textOf, returning: (insert.returningClause?.exprs ?? []).length > 0 };
}

/** By the ranges of the rows in the text, where these are found to be what they should be; else printed anew. */
function splitText(statement: ParsedStatement, insert: Insert): SplitInsertPlan["textOf"] | undefined {
  const source = as(insert.selectStmt, "SelectStmt");
  const lists = source?.valuesLists ?? [];
  const treeOf = (rows: readonly number[]): Node => ({ InsertStmt: { ...insert, selectStmt: { SelectStmt: { ...source, valuesLists: rows.map((row) => lists[row]!) } } } });
  const parts = valueRows(statement.text);
  const cut = (rows: readonly number[]): string => `${parts!.before}${rows.map((row) => parts!.rows[row]).join(", ")}${parts!.after}`;
  const ends = [0, lists.length - 1];
  if (parts?.rows.length === lists.length && isTextOf(cut(ends), treeOf(ends))) return cut;
  if (deparseChecked(treeOf(ends)) === undefined) return undefined;
  return (rows) => deparseChecked(treeOf(rows)) ?? "";
}

/** The first shard makes the rows, the others store what it made. */
function insertEverywhere(statement: ParsedStatement, insert: Insert, relation: Relation): InsertEverywherePlan | undefined {
  const columns = relation.columns.filter(({ generated }) => !generated);
  const names = columns.map(({ name }) => quoteIdentifier(name));
  const returning = (insert.returningClause?.exprs ?? []).length > 0;
  // RETURNING stands at the end; a comment there ends with the line.
  const firstText = `${statement.text}\n${returning ? "," : " RETURNING"} ${names.join(", ")}`;
  const targets = names.map((name): Node => ({ ResTarget: { val: expressionOf(name)! } }));
  const expected: Node = { InsertStmt: { ...insert, returningClause: { ...insert.returningClause, exprs: [...(insert.returningClause?.exprs ?? []), ...targets] } } };
  if (!isTextOf(firstText, expected)) return undefined;
  const otherText = textForOthers(insert, relation, columns.map(({ name }) => name));
  const table: TableName = { schema: relation.schema, name: relation.name };
  return otherText === undefined ? undefined : { kind: "insert-everywhere", table, firstText, columns: columns.length, returning, otherText };
}

function textForOthers(insert: Insert, relation: Relation, columns: readonly string[]): string | undefined {
  const names = columns.map(quoteIdentifier);
  const plain = `INSERT INTO ${qualifiedName(relation)} (${names.join(", ")}) OVERRIDING SYSTEM VALUE VALUES (${names.map((_, index) => `$${index + 1}`).join(", ")})`;
  const clause = insert.onConflictClause;
  // Rows that the first shard did not insert are not among those that it returned.
  if (clause?.action !== "ONCONFLICT_UPDATE") return plain;
  const constrained = arbiterColumns(clause, relation);
  const set = (clause.targetList ?? []).map((node) => as(node, "ResTarget")?.name ?? "");
  const always = relation.columns.filter(({ identity }) => identity === "always").map(({ name }) => name);
  // A row that gets another key would be found under the old one.
  if (constrained === undefined || set.some((name) => constrained.includes(name) || always.includes(name))) return undefined;
  const assigned = columns.filter((name) => !constrained.includes(name) && !always.includes(name)).map((name) => `${quoteIdentifier(name)} = excluded.${quoteIdentifier(name)}`);
  const parsed = parseStatements(`${plain} ON CONFLICT (${names[0]!}) DO UPDATE SET ${assigned.join(", ")}`);
  const tree = "statements" in parsed ? as(parsed.statements[0]?.node, "InsertStmt") : undefined;
  if (tree?.onConflictClause === undefined || clause.infer === undefined) return undefined;
  return deparseChecked({ InsertStmt: { ...tree, onConflictClause: { ...tree.onConflictClause, infer: clause.infer } } });
}

function arbiterColumns(clause: Fields<"OnConflictClause">, relation: Relation): readonly string[] | undefined {
  if (clause.infer?.conname !== undefined) return relation.uniqueKeys.find(({ name }) => name === clause.infer?.conname)?.columns;
  const names = (clause.infer?.indexElems ?? []).map((node) => as(node, "IndexElem")?.name);
  return names.includes(undefined) ? undefined : (names as string[]);
}
