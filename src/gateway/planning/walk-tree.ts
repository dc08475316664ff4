import type { Fields, NodeType } from "../../schema/syntax-tree.js";

type Visitor = {
  /** Answers false where what is below is not to be walked. */
  readonly [T in NodeType]?: (fields: Fields<T>) => boolean | undefined;
};

/**
 * Calls the visitor of each node's type, from above to below. Generic: what a node of a type unknown to the visitor
 * holds is walked too, so that nothing hides in a corner of the grammar.
 */
export function walkTree(tree: unknown, visitor: Visitor): void {
  if (Array.isArray(tree)) {
    for (const item of tree) walkTree(item, visitor);
    return;
  }
  if (typeof tree !== "object" || tree === null) return;
  const visits = visitor as Readonly<Record<string, ((fields: unknown) => boolean | undefined) | undefined>>;
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value !== "object" || value === null) continue;
    // A property in capitals is a node's type; others are fields.
    const visit = /^[A-Z]/.test(key) ? visits[key] : undefined;
    if (visit?.(value) === false) continue;
    walkTree(value, visitor);
  }
}

/** Whether two trees are the same but for where they stand in their texts. */
export function sameTree(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    return Array.isArray(left) && Array.isArray(right) && left.length === right.length && left.every((item, index) => sameTree(item, right[index]));
  }
  const [a, b] = [left as Readonly<Record<string, unknown>>, right as Readonly<Record<string, unknown>>];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    if (!PLACES.has(key) && !sameTree(a[key], b[key])) return false;
  }
  return true;
}

const PLACES = new Set(["location", "stmt_location", "stmt_len", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end", "name_location"]);
