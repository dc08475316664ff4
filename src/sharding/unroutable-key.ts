import { ReshardError } from "../errors.js";
import { displayName, qualifiedName, quoteIdentifier, type TableName } from "../postgres/identifiers.js";
import { NULL_KEY, type UNCOVERED_KEY } from "./table-route.js";

/**
 * The error for a row that no shard takes.
 * @param reason what the `ShardOfKey` function answered
 * @param value the key as text, where it is known
 */
export function unroutableKey(reason: typeof NULL_KEY | typeof UNCOVERED_KEY, table: TableName, column: string, value?: string): ReshardError {
  const name = displayName(table);
  const fallback = "a default entry to the mapping of its [[sharded_tables]] rule ({ shard = N })";
  if (reason === NULL_KEY) {
    return new ReshardError("SHARDING_KEY_NULL", `A row of ${name} has NULL in its sharding key "${column}".`, {
      place: { table: name },
      remedy: `Give those rows a value (SELECT * FROM ${qualifiedName(table)} WHERE ${quoteIdentifier(column)} IS NULL), or add ${fallback}, or list the table in [[omnisharded_tables]].`,
    });
  }
  const shown = value === undefined ? "a value" : `the value ${JSON.stringify(value)}`;
  return new ReshardError("SHARDING_KEY_UNCOVERED", `A row of ${name} has ${shown} in its sharding key "${column}" that no list and no range covers.`, {
    place: { table: name },
    remedy: `Add a list or range that covers it, or ${fallback}.`,
  });
}
