/** A table's name, unquoted, as the catalog spells it. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** Always quoted, so that capitals, spaces and reserved words need no thought. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string constant; the `E''` form where a backslash occurs, whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? `E${quoted}` : quoted;
}

/** `"schema"."name"`. */
export function qualifiedName(table: TableName): string {
  return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
}

/** For people: `schema.name`, without the schema where it is public. */
export function displayName(table: TableName): string {
  return table.schema === "public" ? table.name : `${table.schema}.${table.name}`;
}

/** A key for maps: the quoted form is the only one that cannot collide. */
export function tableId(table: TableName): string {
  return qualifiedName(table);
}
