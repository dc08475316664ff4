import { as, type Node } from "../../schema/syntax-tree.js";
import type { ParsedStatement } from "./parse-statements.js";
import { planCopy } from "./plan-copy.js";
import { planDefinition } from "./plan-definition.js";
import { isQuery, planQuery } from "./plan-query.js";
import { planDeallocate, planDiscard, planExecute, planListen, planNotify, planPrepare, planSet, planSetConfig, planUnlisten } from "./plan-session.js";
import { planTransaction } from "./plan-transaction.js";
import { planUtility } from "./plan-utility.js";
import type { PlanningContext } from "./planning-context.js";
import { refused } from "./route-distribution.js";
import type { StatementPlan } from "./statement-plan.js";
import { toldInComment, toldWhere } from "./told-shard.js";

/**
 * What becomes of a statement. Nothing is planned of which it is not proven that its outcome is that of one database with
 * all the rows; all else is refused, with what to change. Never throws: a fault of the planner costs the statement, not
 * the session.
 */
export function planStatement(statement: ParsedStatement, planning: PlanningContext): StatementPlan {
  try {
    return plan(statement, planning);
  } catch (error) {
    // The tree is walked by recursion.
    if (error instanceof RangeError) return refused({ reason: "The statement is nested too deeply to be planned.", remedy: "Simplify it." });
    return refused({ reason: `The statement could not be planned, by a fault of pg-reshard: ${error instanceof Error ? error.message : String(error)}.`, remedy: "Please report it with the statement; say the shard in a comment meanwhile: /* pgdog_shard: 0 */." });
  }
}

function plan(statement: ParsedStatement, planning: PlanningContext): StatementPlan {
  const { node } = statement;
  const own = planOwn(statement);
  if (own !== undefined) return own;
  const told = toldInComment(statement.text) ?? planning.told;
  if (told !== undefined) {
    const where = toldWhere(told, planning.catalog);
    if ("reason" in where) return refused(where);
    // Whoever says the shard means its rows alone.
    return { kind: "routed", where, gather: { kind: "union" }, writes: !isPlainRead(node), definesSchema: planDefinition(statement, planning) !== undefined, alone: false, everywhere: [] };
  }
  const copy = as(node, "CopyStmt");
  if (copy !== undefined) return planCopy(copy, statement, planning);
  if (isQuery(node)) return planQuery(statement, planning);
  return planDefinition(statement, planning) ?? planUtility(statement, planning) ?? refused(unknown(node));
}

/** What is about the session or its transaction, wherever it is. */
function planOwn(statement: ParsedStatement): StatementPlan | undefined {
  const { node } = statement;
  const transaction = as(node, "TransactionStmt");
  if (transaction !== undefined) return planTransaction(transaction);
  const set = as(node, "VariableSetStmt");
  if (set !== undefined) return planSet(set);
  if (as(node, "ConstraintsSetStmt") !== undefined) return { kind: "session", action: "transaction-mode" };
  const discard = as(node, "DiscardStmt");
  if (discard !== undefined) return planDiscard(discard);
  const listen = as(node, "ListenStmt");
  if (listen !== undefined) return planListen(listen);
  const unlisten = as(node, "UnlistenStmt");
  if (unlisten !== undefined) return planUnlisten(unlisten);
  const notify = as(node, "NotifyStmt");
  if (notify !== undefined) return planNotify(notify);
  const prepare = as(node, "PrepareStmt");
  if (prepare !== undefined) return planPrepare(prepare, statement);
  const execute = as(node, "ExecuteStmt");
  if (execute !== undefined) return planExecute(execute);
  const deallocate = as(node, "DeallocateStmt");
  if (deallocate !== undefined) return planDeallocate(deallocate);
  return as(node, "SelectStmt") === undefined ? undefined : planSetConfig(node);
}

/** A SELECT without locks and changes. */
function isPlainRead(node: Node): boolean {
  const select = as(node, "SelectStmt");
  return as(node, "VariableShowStmt") !== undefined || (select !== undefined && select.lockingClause === undefined && select.withClause === undefined);
}

function unknown(node: Node): { readonly reason: string; readonly remedy: string } {
  const type = Object.keys(node)[0] ?? "";
  if (type === "DoStmt" || type === "CallStmt") {
    return { reason: "DO and CALL run statements on the server that cannot be seen here: they may read and change rows of any shard.", remedy: "Send the statements themselves, or say the shard in a comment: /* pgdog_shard: 0 */." };
  }
  return { reason: `Statements of this kind (${type.replace(/Stmt$/, "")}) are not planned on a sharded database.`, remedy: "Run it on each server itself, or say the shard in a comment: /* pgdog_shard: 0 */." };
}
