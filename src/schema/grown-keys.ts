import { ReshardError } from "../errors.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import { listed } from "../words.js";

/** A column that is int or smallint in the database that is left, and bigint on the new shards. */
export interface NarrowColumn extends TableName {
  readonly column: string;
  /** Bytes of the smaller type. */
  readonly bytes: 2 | 4;
  /** Least and largest value anywhere, none where there are no rows; undefined where no index leads to them. */
  readonly values: readonly bigint[] | undefined;
  /** The sequences it draws from, with the number that each hands out next, on whichever server. */
  readonly sequences: readonly { readonly name: TableName; readonly next: bigint }[];
}

export interface GrownKeys {
  /** Columns that hold or will get next what does not fit: one phrase each. */
  readonly beyond: readonly string[];
  /** Columns with more than `SOON` of their range used. */
  readonly soon: readonly string[];
  /** Columns whose values could not be looked at. */
  readonly unseen: readonly string[];
}

/** From which part of its range on a key is told of. */
export const SOON = { numerator: 8n, denominator: 10n } as const;

/** Which keys do not fit into the database that was left any more, or soon will not. */
export function grownKeys(columns: readonly NarrowColumn[]): GrownKeys {
  const found = { beyond: [] as string[], soon: [] as string[], unseen: [] as string[] };
  for (const column of columns) {
    const name = `${displayName(column)}.${column.column}`;
    const type = column.bytes === 2 ? "smallint" : "integer";
    const marks = [
      ...(column.values ?? []).map((value) => ({ value, what: `holds ${value}` })),
      ...column.sequences.map(({ name: sequence, next }) => ({ value: next, what: `gets ${next} next from ${displayName(sequence)}` })),
    ].map((mark) => ({ ...mark, ...used(mark.value, column.bytes) }));
    const worst = marks.reduce<(typeof marks)[number] | undefined>((most, mark) => (most === undefined || mark.size * most.limit > most.size * mark.limit ? mark : most), undefined);
    if (worst !== undefined && worst.size > worst.limit) found.beyond.push(`${name} (${type}) ${worst.what}`);
    else if (worst !== undefined && worst.size * SOON.denominator > worst.limit * SOON.numerator) found.soon.push(`${name} (${type}) ${worst.what}`);
    if (column.values === undefined && column.sequences.length === 0) found.unseen.push(name);
  }
  return found;
}

/** For people, one sentence each. */
export function grownKeyNotes({ beyond, soon, unseen }: GrownKeys): string[] {
  return [
    ...(beyond.length === 0 ? [] : [`These keys do not fit into the source any more, so that there is no way back: ${listed(beyond, "; ")}.`]),
    ...(soon.length === 0 ? [] : [`These keys have used most of what fits into the source, and beyond it there is no way back: ${listed(soon, "; ")}.`]),
    ...(unseen.length === 0 ? [] : [`Not looked at for how large they are, for no index leads to them: ${listed(unseen, "; ")}.`]),
  ];
}

/** KEYS_TOO_LARGE */
export function keysTooLarge(beyond: readonly string[]): ReshardError {
  return new ReshardError("KEYS_TOO_LARGE", `Keys of the shards do not fit into the source any more: ${listed(beyond, "; ")}.`, {
    remedy: "Make these columns bigint on the source, with those that refer to them (ALTER TABLE … ALTER COLUMN … TYPE bigint). Without that there is no way back; --ignore-errors goes on all the same.",
  });
}

/** How far a value is from 0, and how far it may be on its side. */
function used(value: bigint, bytes: 2 | 4): { size: bigint; limit: bigint } {
  const most = 2n ** BigInt(8 * bytes - 1);
  return value < 0n ? { size: -value, limit: most } : { size: value, limit: most - 1n };
}
