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
 * A configuration file's text with the names of two databases exchanged wherever one stands, and everything else as it
 * is: comments, order, blanks. An entry of `[[databases]]` that left out `database_name`, and so meant its name, gets one.
 *
 * @returns undefined where a name comes from the environment (`${…}`), for then only half would be exchanged
 */
export function swapNames(text: string, one: string, other: string): string | undefined {
  const swapped = new Map([[one, other], [other, one]]);
  const edits: { readonly start: number; readonly end: number; readonly text: string }[] = [];
  const names: string[] = [];

  const visitName = (node: AST.TOMLContentNode): void => {
    if (node.type === "TOMLArray") {
      for (const element of node.elements) visitName(element);
      return;
    }
    if (node.type !== "TOMLValue" || node.kind !== "string") return;
    names.push(node.value);
    const replacement = swapped.get(node.value);
    if (replacement !== undefined) edits.push({ start: node.range[0], end: node.range[1], text: JSON.stringify(replacement) });
  };

  const visitTable = (section: string, pairs: readonly AST.TOMLKeyValue[], separator: string): void => {
    for (const pair of pairs) {
      if (NAMING[section]!.includes(keyOf(pair))) visitName(pair.value);
    }
    if (section !== "databases" || pairs.some((pair) => keyOf(pair) === "database_name")) return;
    const name = pairs.find((pair) => keyOf(pair) === "name")?.value;
    if (name?.type !== "TOMLValue" || name.kind !== "string" || !swapped.has(name.value)) return;
    edits.push({ start: name.range[1], end: name.range[1], text: `${separator}database_name = ${JSON.stringify(name.value)}` });
  };

  for (const node of parseTOML(text, { tomlVersion: "1.1" }).body[0].body) {
    if (node.type === "TOMLTable") {
      const section = String(node.resolvedKey[0]);
      if (node.kind === "array" && node.key.keys.length === 1 && section in NAMING) visitTable(section, node.body, "\n");
    } else if (keyOf(node) in NAMING && node.value.type === "TOMLArray") {
      for (const element of node.value.elements) if (element.type === "TOMLInlineTable") visitTable(keyOf(node), element.body, ", ");
    }
  }
  if (names.some((name) => name.includes("${"))) return undefined;
  let result = text;
  for (const edit of edits.sort((a, b) => b.start - a.start || b.end - a.end)) result = result.slice(0, edit.start) + edit.text + result.slice(edit.end);
  return result;
}

function keyOf(pair: AST.TOMLKeyValue): string {
  return pair.key.keys.map((key) => (key.type === "TOMLBare" ? key.name : key.value)).join(".");
}
