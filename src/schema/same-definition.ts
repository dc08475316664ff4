import { as, type Fields, parseStatement } from "./syntax-tree.js";

/**
 * Whether two servers print the same thing: text that differs is compared as parse trees without places. Names that the
 * later branches of a UNION give to columns mean nothing, and ruleutils.c prints them only after a dump was loaded.
 * Between servers of different versions the names of tables before columns do not count, which are printed more
 * sparingly since version 16. Needs `loadParser`; what the parser does not understand is not the same.
 */
export function sameDefinition(a: string, b: string, sameVersion: boolean): boolean {
  if (a === b) return true;
  const [first, second] = [treeOf(a, sameVersion), treeOf(b, sameVersion)];
  return first !== undefined && first === second;
}

function treeOf(definition: string, qualified: boolean): string | undefined {
  const node = parseStatement(definition);
  return node === undefined ? undefined : JSON.stringify(node, (key, value: unknown) => {
    if (/(?:^|_)location$|^stmt_len$|list_(?:start|end)$/.test(key)) return undefined;
    if (key === "rarg") return unnamed(value as Fields<"SelectStmt">);
    const fields = !qualified && typeof value === "object" && value !== null ? as(value as never, "ColumnRef")?.fields : undefined;
    return fields === undefined ? value : { ColumnRef: fields.at(-1) };
  });
}

function unnamed(select: Fields<"SelectStmt">): unknown {
  if (select.targetList === undefined) return select;
  return { ...select, targetList: select.targetList.map((target) => as(target, "ResTarget")?.val ?? target) };
}
