/** What `search_path` is where nobody has set it. */
export const DEFAULT_SEARCH_PATH = '"$user", public';

/**
 * The schemas of a `search_path` setting, in order: names are folded where they are not quoted, `$user` is the session's
 * user (SplitIdentifierString, utils/adt/varlena.c).
 */
export function searchPathOf(setting: string, user: string): readonly string[] {
  const schemas: string[] = [];
  for (const [, quoted, plain] of setting.matchAll(/"((?:[^"]|"")*)"|([^\s,"][^\s,]*)/g)) {
    const name = quoted === undefined ? (plain ?? "").toLowerCase() : quoted.replaceAll('""', '"');
    schemas.push(name === "$user" ? user : name);
  }
  return schemas;
}
