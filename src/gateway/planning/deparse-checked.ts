import { deparseSync } from "pgsql-parser";
import { as, type Node } from "../../schema/syntax-tree.js";
import { parseStatements } from "./parse-statements.js";
import { sameTree } from "./walk-tree.js";

/** The text of a tree; undefined where reading it again does not give that tree: then the printer is not to be trusted. */
export function deparseChecked(tree: Node): string | undefined {
  let text: string;
  try {
    text = deparseSync(tree);
  } catch {
    return undefined;
  }
  return isTextOf(text, tree) ? text : undefined;
}

/** Whether a text is that one statement. */
export function isTextOf(text: string, tree: Node): boolean {
  const parsed = parseStatements(text);
  return "statements" in parsed && parsed.statements.length === 1 && sameTree(parsed.statements[0]!.node, tree);
}

/** The text of a type's name; undefined likewise. */
export function typeTextChecked(type: Node): string | undefined {
  let text: string;
  try {
    text = deparseSync(type);
  } catch {
    return undefined;
  }
  const parsed = parseStatements(`SELECT NULL::${text}`);
  const select = "statements" in parsed ? as(parsed.statements[0]?.node, "SelectStmt") : undefined;
  const cast = as(as(select?.targetList?.[0], "ResTarget")?.val, "TypeCast");
  return sameTree(cast?.typeName, as(type, "TypeName")) ? text : undefined;
}
