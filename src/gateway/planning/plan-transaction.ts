import type { Fields } from "../../schema/syntax-tree.js";
import type { RefusedPlan, TransactionPlan } from "./statement-plan.js";

const ACTIONS: Readonly<Record<string, TransactionPlan["action"]>> = {
  TRANS_STMT_BEGIN: "begin",
  TRANS_STMT_START: "begin",
  TRANS_STMT_COMMIT: "commit",
  TRANS_STMT_ROLLBACK: "rollback",
  TRANS_STMT_SAVEPOINT: "savepoint",
  TRANS_STMT_RELEASE: "release",
  TRANS_STMT_ROLLBACK_TO: "rollback-to",
};

/** BEGIN, COMMIT, SAVEPOINT and the like. */
export function planTransaction({ kind, chain = false, savepoint_name: name }: Fields<"TransactionStmt">): TransactionPlan | RefusedPlan {
  const action = ACTIONS[kind ?? ""];
  if (action !== undefined) return { kind: "transaction", action, chain, ...(name === undefined ? {} : { name }) };
  return {
    kind: "refused",
    reason: "PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED are what the gateway itself commits on several shards with.",
    remedy: "COMMIT: it is two-phase where two_phase_commit is set.",
  };
}
