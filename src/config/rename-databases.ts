import { parseTOML, type AST } from "toml-eslint-parser";

/** The keys that name a logical database, by section. */
const NAMING: Readonly<Record<string, readonly string[]>> = {
  databases: ["name"],
  users: ["database", "databases"],
  sharded_tables: ["database"],
  sharded_mappings: ["database"],
  sharded_schemas: ["database"],
  omnisharded_tables: ["database"],
  mirroring: ["source_db", "destination_db"],
};

/**
 * A configuration file's text with databases renamed wherever one is named, and everything else as it is: comments, order,
 * blanks. An entry of `[[databases]]` that left out `database_name`, and so meant its name, gets one.
 *
 * Names in `[[users]]` are of two sorts. A schema administrator's entry says how to log in on the servers, and so do those
 * of a user who has one for each of the databases: they are renamed. All others say who reaches a name: they stay.
 *
 * @param names - new ones by old ones
 * @returns undefined where a name comes from the environment (`${…}`), for then only half would be renamed
 */
export function renameDatabases(text: string, names: ReadonlyMap<string, string>): string | undefined {
  const edits: { readonly start: number; readonly end: number; readonly text: string }[] = [];
  const found: string[] = [];

  const visitName = (node: AST.TOMLContentNode, stays: boolean): void => {
    for (const value of valuesOf(node)) {
      found.push(value.value);
      const replacement = names.get(value.value);
      if (replacement !== undefined && !stays) edits.push({ start: value.range[0], end: value.range[1], text: JSON.stringify(replacement) });
    }
  };

  const tables = tablesOf(text);
  const bound = boundToServers(tables, names);
  for (const table of tables) {
    const { section, pairs, separator } = table;
    for (const pair of pairs) {
      if (NAMING[section]!.includes(keyOf(pair))) visitName(pair.value, section === "users" && !bound.has(table));
    }
    if (section !== "databases" || pairs.some((pair) => keyOf(pair) === "database_name")) continue;
    const [name] = stringsAt(pairs, "name");
    if (name === undefined || !names.has(name.value)) continue;
    edits.push({ start: name.range[1], end: name.range[1], text: `${separator}database_name = ${JSON.stringify(name.value)}` });
  }
  if (found.some((name) => name.includes("${"))) return undefined;
  let result = text;
  for (const edit of edits.sort((a, b) => b.start - a.start || b.end - a.end)) result = result.slice(0, edit.start) + edit.text + result.slice(edit.end);
  return result;
}

/** Users of a file who cannot log in to a database any more once `renameDatabases` has renamed it, each with its name. */
export function usersLeftBehind(text: string, names: ReadonlyMap<string, string>): { readonly user: string; readonly database: string }[] {
  const users = tablesOf(text).filter(({ section }) => section === "users");
  const bound = boundToServers(users, names);
  const reach = (table: Table, renamed: boolean): string[] => databasesAt(table).map((name) => (renamed && bound.has(table) ? (names.get(name) ?? name) : name));
  const all = users.filter(({ pairs }) => pairs.some((pair) => keyOf(pair) === "all_databases")).map(userAt);
  const after = new Set(users.flatMap((table) => reach(table, true).map((database) => JSON.stringify([userAt(table), database]))));
  return users
    .flatMap((table) => reach(table, false).map((database) => ({ user: userAt(table), database })))
    .filter(({ user, database }) => !all.includes(user) && !after.has(JSON.stringify([user, database])));
}

interface Table {
  readonly section: string;
  readonly pairs: readonly AST.TOMLKeyValue[];
  /** Between two of its pairs. */
  readonly separator: string;
}

/** Entries that name databases. */
function tablesOf(text: string): Table[] {
  return parseTOML(text, { tomlVersion: "1.1" }).body[0].body.flatMap((node): Table[] => {
    if (node.type === "TOMLTable") {
      const section = String(node.resolvedKey[0]);
      return node.kind === "array" && node.key.keys.length === 1 && section in NAMING ? [{ section, pairs: node.body, separator: "\n" }] : [];
    }
    if (!(keyOf(node) in NAMING) || node.value.type !== "TOMLArray") return [];
    return node.value.elements.flatMap((element) => (element.type === "TOMLInlineTable" ? [{ section: keyOf(node), pairs: element.body, separator: ", " }] : []));
  });
}

/** Entries of `[[users]]` that go with servers, whatever these are called. */
function boundToServers(tables: readonly Table[], names: ReadonlyMap<string, string>): ReadonlySet<Table> {
  const users = tables.filter(({ section }) => section === "users");
  return new Set(users.filter((table) => {
    if (table.pairs.some((pair) => keyOf(pair) === "schema_admin" && !(pair.value.type === "TOMLValue" && pair.value.value === false))) return true;
    const databases = users.filter((other) => userAt(other) === userAt(table)).flatMap(databasesAt);
    return [...names.keys()].every((name) => databases.includes(name));
  }));
}

function userAt({ pairs }: Table): string {
  return stringsAt(pairs, "name")[0]?.value ?? "";
}

function databasesAt({ pairs }: Table): string[] {
  return [...stringsAt(pairs, "database"), ...stringsAt(pairs, "databases")].map(({ value }) => value);
}

function stringsAt(pairs: readonly AST.TOMLKeyValue[], key: string): AST.TOMLStringValue[] {
  return pairs.filter((pair) => keyOf(pair) === key).flatMap(({ value }) => valuesOf(value));
}

/** The strings that a value is, or is a list of. */
function valuesOf(node: AST.TOMLContentNode): AST.TOMLStringValue[] {
  if (node.type === "TOMLArray") return node.elements.flatMap(valuesOf);
  return node.type === "TOMLValue" && node.kind === "string" ? [node] : [];
}

function keyOf(pair: AST.TOMLKeyValue): string {
  return pair.key.keys.map((key) => (key.type === "TOMLBare" ? key.name : key.value)).join(".");
}
