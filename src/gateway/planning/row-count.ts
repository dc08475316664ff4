import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import type { Obstacle } from "./distribution.js";
import { parseStatements } from "./parse-statements.js";
import type { Count } from "./statement-plan.js";

/** LIMIT or OFFSET; undefined where there is none (also `LIMIT NULL`, `LIMIT ALL`). */
export function countOf(node: Node | undefined): Count | Obstacle | undefined {
  const constant = as(node, "A_Const");
  if (node === undefined || constant?.isnull === true) return undefined;
  if (constant?.ival !== undefined) {
    const value = constant.ival.ival ?? 0;
    return value < 0 ? NOT_PLAIN : { kind: "constant", value };
  }
  // 9223372036854775807, by which some say "no limit".
  const digits = constant?.fval?.fval ?? "";
  if (/^\d{1,19}$/.test(digits) && BigInt(digits) < 2n ** 63n) return { kind: "constant", value: Number(digits) };
  const cast = as(node, "TypeCast");
  const type = as(cast?.typeName?.names?.at(-1), "String")?.sval ?? "";
  const parameter = as(cast !== undefined && ["int2", "int4", "int8"].includes(type) ? cast.arg : node, "ParamRef");
  return parameter?.number === undefined ? NOT_PLAIN : { kind: "parameter", number: parameter.number };
}

const NOT_PLAIN: Obstacle = { reason: "LIMIT or OFFSET over several shards is neither a number nor a parameter.", remedy: "Compute it in the application, or restrict the statement to one sharding key." };

/** An OFFSET that skips nothing, and yet mentions the parameter: it keeps its type, and is still an error where it is negative. */
export function offsetOfNothing(offset: Node): Node | undefined {
  return countOf(offset) === undefined || as(offset, "A_Const") !== undefined ? undefined : replaced("SELECT LEAST(($1)::bigint, 0)", [offset]);
}

/** What each shard is asked for, so that the first rows of all of them together can be found among theirs; undefined is all. */
export function pushedDown(limit: Node, offset: Node): Node | undefined {
  const [most, skipped] = [countOf(limit), countOf(offset)];
  if (most === undefined || skipped === undefined || "reason" in most || "reason" in skipped) return undefined;
  if (most.kind === "constant" && skipped.kind === "constant") {
    const sum = most.value + skipped.value;
    return sum <= 2 ** 31 - 1 ? { A_Const: { ival: { ival: sum } } } : undefined;
  }
  return replaced(SUM, [limit, offset]);
}

/** Not beyond int8, where the sum would be an error. LEAST passes over NULL: then there is no limit. A negative limit stays an error. */
const SUM = "SELECT CASE WHEN ($1)::bigint < 0 THEN ($1)::bigint ELSE LEAST(($1)::bigint::numeric + COALESCE(($2)::bigint, 0)::numeric, 9223372036854775807)::bigint END";

/** The expression of a template, with nodes in place of its parameters. */
function replaced(template: string, nodes: readonly Node[]): Node | undefined {
  const parsed = parseStatements(template);
  if (!("statements" in parsed)) return undefined;
  const select = as(parsed.statements[0]?.node, "SelectStmt") as Fields<"SelectStmt">;
  return substitute(as(select.targetList?.[0], "ResTarget")?.val, nodes) as Node;
}

function substitute(tree: unknown, nodes: readonly Node[]): unknown {
  if (Array.isArray(tree)) return tree.map((item) => substitute(item, nodes));
  if (typeof tree !== "object" || tree === null) return tree;
  const parameter = as(tree as Node, "ParamRef");
  if (parameter !== undefined) return nodes[(parameter.number ?? 0) - 1];
  return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, substitute(value, nodes)]));
}
