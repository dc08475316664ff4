/**
 * The tag of a command that ran on several shards: the rows' counts added up (`UPDATE 3` and `UPDATE 4` are `UPDATE 7`,
 * `INSERT 0 1` and `INSERT 0 1` are `INSERT 0 2`). A tag without a count is the first one's.
 */
export function addTags(tags: readonly string[]): string {
  const first = tags[0] ?? "";
  const match = /^(?<command>.*) (?<count>\d+)$/.exec(first);
  if (match === null) return first;
  const total = tags.reduce((sum, tag) => sum + countOf(tag), 0n);
  return `${match.groups!["command"]!} ${total}`;
}

/** The same command with another number of rows. */
export function tagWithCount(tag: string, rows: number | bigint): string {
  return tag.replace(/\d+$/, String(rows));
}

function countOf(tag: string): bigint {
  return BigInt(/\d+$/.exec(tag)?.[0] ?? 0);
}
