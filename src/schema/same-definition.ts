import { as, parseStatement } from "./syntax-tree.js";

/**
 * Whether two servers of different versions print the same thing: text that differs is compared as parse trees without
 * places and without the names of tables before columns, which ruleutils.c prints more sparingly since version 16.
 * Needs `loadParser`; what the parser does not understand is not the same.
 */
export function sameDefinition(a: string, b: string): boolean {
  if (a === b) return true;
  const [first, second] = [treeOf(a), treeOf(b)];
  return first !== undefined && first === second;
}

function treeOf(definition: string): string | undefined {
  const node = parseStatement(definition);
  return node === undefined ? undefined : JSON.stringify(node, (key, value: unknown) => {
    if (key === "location" || key === "stmt_location" || key === "stmt_len" || /_location$/.test(key)) return undefined;
    const fields = typeof value === "object" && value !== null ? as(value as never, "ColumnRef")?.fields : undefined;
    return fields === undefined ? value : { ColumnRef: fields.at(-1) };
  });
}
