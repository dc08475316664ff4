import { effectOf } from "./function-effects.js";
import { expressionOf } from "./insert-keys.js";
import { nameOf } from "./inspect-expressions.js";
import type { ColumnDefault, ShardedCatalog } from "./sharded-catalog.js";
import { walkTree } from "./walk-tree.js";

/** What a column's default gives on several shards. */
export function classifyDefault(expression: string | null, catalog: Pick<ShardedCatalog, "functions">): ColumnDefault {
  if (expression === null) return { kind: "none" };
  const tree = expressionOf(expression);
  if (tree === undefined) return { kind: "volatile", expression };
  let [own, same] = [false, true];
  walkTree(tree, {
    FuncCall: (call) => {
      const name = nameOf(call.funcname);
      if (name.length === 2 && name[0] === "reshard" && name[1] === "next_key") own = true;
      else if (effectOf(catalog, name, (call.args ?? []).length) !== "none") same = false;
      return undefined;
    },
    SQLValueFunction: ({ op }) => {
      if (op === undefined || /DATE|TIME/.test(op)) same = false;
      return undefined;
    },
    A_Const: ({ sval }) => {
      if (/^\s*(?:now|today|tomorrow|yesterday)\b/i.test(sval?.sval ?? "")) same = false;
      return undefined;
    },
  });
  if (own) return { kind: "own-key" };
  return same ? { kind: "stable", expression } : { kind: "volatile", expression };
}
