/** Parameters of a line in PgBouncer's `[databases]`: `host`, `port`, `dbname` and what else it has, in order. */
export type ConnectParameters = ReadonlyMap<string, string>;

/** `key=value` pairs; a value with blanks stands in single quotes, which are doubled within (manual of PgBouncer, "Section [databases]"). */
export function parseConnectString(text: string): ConnectParameters {
  const found = new Map<string, string>();
  for (const { groups } of text.matchAll(/(?<key>[a-z_]+)\s*=\s*(?:'(?<quoted>(?:[^']|'')*)'|(?<plain>[^\s']*))/gu)) {
    found.set(groups!["key"]!, groups!["quoted"]?.replaceAll("''", "'") ?? groups!["plain"] ?? "");
  }
  return found;
}

export function formatConnectString(parameters: ConnectParameters): string {
  return [...parameters].map(([key, value]) => `${key}=${/^[^\s'=]+$/u.test(value) ? value : `'${value.replaceAll("'", "''")}'`}`).join(" ");
}

/** The connect string of a database in the text of a pgbouncer.ini; undefined where it has no line. */
export function databaseLine(text: string, name: string): string | undefined {
  return linesOf(text).find((line) => line.name === name)?.value;
}

/** The text with some parameters of databases' lines changed, and everything else as it was. Databases without a line are left out. */
export function withDatabaseLines(text: string, names: readonly string[], parameters: ConnectParameters): string {
  const lines = text.split("\n");
  for (const { name, value, index, head } of linesOf(text)) {
    if (!names.includes(name)) continue;
    const tail = lines[index]!.endsWith("\r") ? "\r" : "";
    lines[index] = `${head}${formatConnectString(new Map([...parseConnectString(value), ...parameters]))}${tail}`;
  }
  return lines.join("\n");
}

interface DatabaseLine {
  readonly index: number;
  readonly name: string;
  /** Of the line, up to the value. */
  readonly head: string;
  readonly value: string;
}

function linesOf(text: string): DatabaseLine[] {
  let section = "";
  return text.split("\n").flatMap((line, index): DatabaseLine[] => {
    const header = /^\s*\[(?<name>[^\]]+)\]/u.exec(line)?.groups?.["name"];
    if (header !== undefined) section = header.trim();
    if (header !== undefined || section !== "databases") return [];
    const { head, quoted, plain, value } = /^(?<head>\s*(?:"(?<quoted>(?:[^"]|"")*)"|(?<plain>[^\s=;#%"]+))\s*=\s*)(?<value>.*?)\s*$/u.exec(line)?.groups ?? {};
    if (head === undefined) return [];
    return [{ index, head, value: value!, name: quoted?.replaceAll('""', '"') ?? plain! }];
  });
}
