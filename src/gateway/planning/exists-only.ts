import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { countOf } from "./row-count.js";

export interface ExistsOnly {
  readonly query: Node;
  /** NOT EXISTS. */
  readonly negated: boolean;
}

/** `SELECT EXISTS (query)` or `SELECT NOT EXISTS (query)` and nothing else; of the query's rows one is enough. */
export function existsOnly(node: Node): ExistsOnly | undefined {
  const select = as(node, "SelectStmt");
  const [target, ...others] = select?.targetList ?? [];
  const value = as(target, "ResTarget")?.val;
  const not = as(value, "BoolExpr");
  const link = as(not?.boolop === "NOT_EXPR" ? not.args?.[0] : value, "SubLink");
  const plain = others.length === 0 && select?.fromClause === undefined && select?.whereClause === undefined && select?.withClause === undefined && select?.limitCount === undefined && select?.limitOffset === undefined;
  const query = as(link?.subselect, "SelectStmt");
  if (!plain || link?.subLinkType !== "EXISTS_SUBLINK" || query === undefined) return undefined;
  const limit = countOf(query.limitCount);
  const enough = limit !== undefined && !("reason" in limit) && limit.kind === "constant" && limit.value >= 1;
  return { query: { SelectStmt: enough ? withoutLimit(query) : query }, negated: not !== undefined };
}

function withoutLimit(select: Fields<"SelectStmt">): Fields<"SelectStmt"> {
  const copy = { ...select };
  delete copy.limitCount;
  return copy;
}
