import { loadModule, parseSync } from "pgsql-parser";
import type { TableName } from "../postgres/identifiers.js";

type ParseResult = ReturnType<typeof parseSync>;

/** A node of PostgreSQL's parse tree (nodes/parsenodes.h): an object with one key, the node's type. */
export type Node = NonNullable<NonNullable<ParseResult["stmts"]>[number]["stmt"]>;
type Keys<U> = U extends unknown ? keyof U : never;
export type NodeType = Keys<Node>;
/** The fields of a node of that type. */
export type Fields<T extends NodeType> = Extract<Node, Record<T, unknown>>[T];

/** Loads the parser (WASM); `parseStatement` needs it. */
export async function loadParser(): Promise<void> {
  await loadModule();
}

/** The tree of one statement; undefined where the parser does not understand it. */
export function parseStatement(sql: string): Node | undefined {
  try {
    const statements = parseSync(sql).stmts ?? [];
    return statements.length === 1 ? statements[0]?.stmt : undefined;
  } catch {
    return undefined;
  }
}

/** The fields of `node` if it has that type. */
export function as<T extends NodeType>(node: Node | undefined, type: T): Fields<T> | undefined {
  return (node as { readonly [K in T]?: Fields<T> } | undefined)?.[type];
}

/** The strings of a name such as `a.b.c`, whichever of PostgreSQL's ways it is held in. */
export function nameParts(node: Node | readonly Node[] | undefined): string[] {
  if (node === undefined) return [];
  if (isList(node)) return node.flatMap((item) => nameParts(item));
  const relation = as(node, "RangeVar");
  if (relation !== undefined) return [...(relation.schemaname === undefined ? [] : [relation.schemaname]), relation.relname ?? ""];
  const text = as(node, "String");
  if (text !== undefined) return [text.sval ?? ""];
  return nameParts(as(node, "List")?.items ?? as(node, "TypeName")?.names ?? as(node, "ObjectWithArgs")?.objname ?? []);
}

function isList(node: Node | readonly Node[]): node is readonly Node[] {
  return Array.isArray(node);
}

/** `schema` and `name` out of the last two parts; an empty schema where there is one part. */
export function qualified(parts: readonly string[]): TableName {
  return { schema: parts.at(-2) ?? "", name: parts.at(-1) ?? "" };
}

export function relationName(relation: Fields<"RangeVar"> | undefined): TableName {
  return { schema: relation?.schemaname ?? "", name: relation?.relname ?? "" };
}

/** The names of roles; PUBLIC and the like are not roles that could be missing. */
export function roleNames(nodes: readonly (Node | undefined)[]): string[] {
  return nodes.flatMap((node) => {
    const role = as(node, "RoleSpec");
    return role?.roletype === "ROLESPEC_CSTRING" && role.rolename !== undefined ? [role.rolename] : [];
  });
}
