import { as, type Node } from "../../schema/syntax-tree.js";
import type { TransactionPlan } from "../planning/statement-plan.js";
import { commitTransaction, rollBackTransaction } from "./end-transaction.js";
import { failure } from "./failure.js";
import type { SessionCore } from "./session-core.js";
import { together } from "./together.js";

/** BEGIN that says nothing more. */
const PLAIN_BEGIN = /^\s*(?:begin|start)\s*(?:work|transaction)?\s*$/i;

/**
 * BEGIN, COMMIT, SAVEPOINT and the like: shards begin when they are first needed, and are told of savepoints then.
 * @returns the command's tag
 */
export async function runTransactionPlan(core: SessionCore, plan: TransactionPlan, text: string, node: Node): Promise<string> {
  switch (plan.action) {
    case "begin":
      return begin(core, text, node);
    case "commit":
      return await commit(core, plan.chain);
    case "rollback":
      return await rollBack(core, plan.chain);
    default:
      return await savepoint(core, plan.action, plan.name ?? "", text);
  }
}

function begin(core: SessionCore, text: string, node: Node): string {
  const { transaction, shards } = core;
  if (transaction.mode === "explicit") core.warn("25001", "there is already a transaction in progress");
  else {
    // Statements of the same Query have come before: their transaction goes on, as it was begun.
    if (transaction.mode === "implicit" && shards.joined.length > 0) {
      if (!PLAIN_BEGIN.test(text)) throw failure("25001", "a transaction's modes must be set before any query");
    } else if (transaction.mode === "implicit") transaction.end();
    transaction.beginExplicit(text);
  }
  return as(node, "TransactionStmt")?.kind === "TRANS_STMT_START" ? "START TRANSACTION" : "BEGIN";
}

async function commit(core: SessionCore, chain: boolean): Promise<string> {
  const { transaction } = core;
  if (transaction.failed) return await rollBack(core, chain);
  checkOpen(core, chain, "COMMIT");
  const begun = transaction.begin;
  await commitTransaction(core);
  if (chain) transaction.beginExplicit(begun);
  return "COMMIT";
}

async function rollBack(core: SessionCore, chain: boolean): Promise<string> {
  const { transaction } = core;
  checkOpen(core, chain, "ROLLBACK");
  const begun = transaction.begin;
  await rollBackTransaction(core);
  if (chain) transaction.beginExplicit(begun);
  return "ROLLBACK";
}

function checkOpen(core: SessionCore, chain: boolean, command: string): void {
  if (core.transaction.mode === "explicit") return;
  if (chain) throw failure("25P01", `${command} AND CHAIN can only be used in transaction blocks`);
  core.warn("25P01", "there is no transaction in progress");
}

async function savepoint(core: SessionCore, action: "savepoint" | "release" | "rollback-to", name: string, text: string): Promise<string> {
  const { transaction, shards } = core;
  const command = { savepoint: "SAVEPOINT", release: "RELEASE SAVEPOINT", "rollback-to": "ROLLBACK TO SAVEPOINT" }[action];
  if (transaction.mode !== "explicit") throw failure("25P01", `${command} can only be used in transaction blocks`);
  if (action !== "savepoint" && !transaction.hasSavepoint(name)) throw failure("3B001", `savepoint "${name}" does not exist`);
  // Shards that come later are told by the transaction's entries: all of them know each savepoint.
  await together(shards.joined, (session) => session.execute(text));
  switch (action) {
    case "savepoint":
      transaction.savepoint(name, text);
      return "SAVEPOINT";
    case "release":
      transaction.release(name);
      return "RELEASE";
    case "rollback-to":
      transaction.rollBackTo(name);
      // What was set and locked since is gone on the shards.
      for (const session of shards.joined) session.limited = false;
      core.lockedTables.clear();
      core.schemaChanged();
      return "ROLLBACK";
  }
}
