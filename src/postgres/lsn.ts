import { ReshardError } from "../errors.js";

/**
 * A position in the write-ahead log, in bytes. Everywhere in this project a position is exclusive: it names the
 * first byte that is *not* included, so "has it" is always `commitLsn < position`.
 */
export type Lsn = bigint;

/** Reads PostgreSQL's `pg_lsn` text form, two hexadecimal halves: `16/B374D848`. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text);
  if (match === null) throw new ReshardError("INVALID_LSN", `"${text}" is not an LSN.`, { remedy: "Write it as the server does (SELECT pg_current_wal_lsn()): two hexadecimal numbers, such as 16/B374D848." });
  return (BigInt(`0x${match[1]!}`) << 32n) | BigInt(`0x${match[2]!}`);
}

/** Writes the `pg_lsn` text form (`pg_lsn_out`, utils/adt/pg_lsn.c). */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

export function minLsn(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
