import { formatLsn } from "../../postgres/lsn.js";

/** One line of `--json`: positions in the WAL are the only bigints of an event, and written as PostgreSQL does. */
export function jsonLine(value: object): string {
  return `${JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? formatLsn(field) : field))}\n`;
}
