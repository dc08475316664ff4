import { type ErrorPlace, ReshardError } from "../errors.js";
import type { AddedColumn } from "../postgres/added-columns.js";
import { addColumnStatements } from "../postgres/added-columns.js";
import { PARTITION_MISSING } from "./explain-error.js";
import { displayName, qualifiedName, quoteIdentifier, quoteLiteral, type TableName } from "../postgres/identifiers.js";
import type { SchemaChange } from "./schema-change.js";

/** What can be done on the shards without asking: nothing of it takes anything away. */
export type CarriedOver =
  | { readonly kind: "columns"; readonly table: TableName; readonly columns: readonly AddedColumn[] }
  | { readonly kind: "table"; readonly table: TableName }
  /** A row met no partition; `message` tells which. */
  | { readonly kind: "partition"; readonly message: string };

/** What is to be carried over where a run failed with this; undefined where it is for a person to see. */
export function carriedOverOf(error: unknown): CarriedOver | undefined {
  if (error instanceof SchemaChanged) return error.carriedOver;
  return error instanceof ReshardError && error.code === PARTITION_MISSING ? { kind: "partition", message: error.message } : undefined;
}

/** A table's definition changed on the source, and the shards are to follow before the stream goes on. */
export class SchemaChanged extends ReshardError {
  /** Undefined where a person has to decide. */
  readonly carriedOver: CarriedOver | undefined;

  constructor(message: string, remedy: string, place: ErrorPlace, carriedOver?: CarriedOver) {
    super("SCHEMA_CHANGED", message, { remedy, place });
    this.carriedOver = carriedOver;
  }
}

const AGAIN = "then run the same command again: the stream goes on at this change, and nothing after it was acknowledged.";

/** A table was made on the source, or added to the publication, that was not there when the run began. */
export function tableAdded(table: TableName, place: ErrorPlace): SchemaChanged {
  return new SchemaChanged(
    `${displayName(table)} was added to the publication after this run began.`,
    `Make it on every shard (pg-reshard schema-sync makes what is missing), ${AGAIN} Its rows are copied first. on_ddl = "apply" (--on-ddl apply) does both.`,
    { ...place, table: displayName(table) },
    { kind: "table", table },
  );
}

/** The former table's rows went with it, which the stream does not tell. */
export function tableMadeAnew(table: TableName, place: ErrorPlace): SchemaChanged {
  return new SchemaChanged(
    `${displayName(table)} was dropped on the source and made again.`,
    `Run on every shard: DROP TABLE ${qualifiedName(table)}; DELETE FROM reshard.table_progress WHERE table_schema = ${quoteLiteral(table.schema)} AND table_name = ${quoteLiteral(table.name)}; make it there again (pg-reshard schema-sync makes what is missing), ${AGAIN} Its rows are copied first.`,
    { ...place, table: displayName(table) },
  );
}

export function tableRenamed(from: TableName, to: TableName, place: ErrorPlace): SchemaChanged {
  const move = from.schema === to.schema ? `ALTER TABLE ${qualifiedName(from)} RENAME TO ${quoteIdentifier(to.name)}` : `ALTER TABLE ${qualifiedName(from)} SET SCHEMA ${quoteIdentifier(to.schema)}`;
  return new SchemaChanged(
    `${displayName(from)} is called ${displayName(to)} on the source now.`,
    `Run on every shard: ${move}; UPDATE reshard.table_progress SET table_schema = ${quoteLiteral(to.schema)}, table_name = ${quoteLiteral(to.name)} WHERE table_schema = ${quoteLiteral(from.schema)} AND table_name = ${quoteLiteral(from.name)}; ${AGAIN}`,
    { ...place, table: displayName(from) },
  );
}

/** @param definitions of the added columns, as far as the source still has them */
export function columnsChanged(table: TableName, { added, dropped, retyped }: Pick<SchemaChange, "added" | "dropped" | "retyped">, definitions: readonly AddedColumn[], place: ErrorPlace): SchemaChanged {
  const name = displayName(table);
  const changes = [
    ...added.map((column) => `column "${column}" was added`),
    ...dropped.map((column) => `column "${column}" was dropped`),
    ...retyped.map(({ name: column, from, to }) => `column "${column}" became ${to} (${from} on the shards)`),
  ];
  const statements = [
    ...definitions.flatMap((column) => addColumnStatements(column, quoteLiteral)),
    ...dropped.map((column) => `ALTER TABLE ${qualifiedName(table)} DROP COLUMN ${quoteIdentifier(column)}`),
    ...retyped.map(({ name: column, to }) => `ALTER TABLE ${qualifiedName(table)} ALTER COLUMN ${quoteIdentifier(column)} TYPE ${to} USING ${quoteIdentifier(column)}::${to}`),
  ];
  const differing = definitions.filter((column) => column.rowsDiffer);
  const anew = differing.length === 0 ? "" : ` Rows that were there have got values of their own in ${differing.map((column) => `"${column.name}"`).join(", ")}, which the stream does not tell: copy the table anew by running there also TRUNCATE ${qualifiedName(table)}; DELETE FROM reshard.table_progress WHERE table_schema = ${quoteLiteral(table.schema)} AND table_name = ${quoteLiteral(table.name)};`;
  const additionsOnly = dropped.length === 0 && retyped.length === 0 && differing.length === 0;
  return new SchemaChanged(
    `${name} was changed on the source: ${changes.join(", ")}.`,
    `Run on every shard: ${statements.join("; ")};${anew === "" ? " " : `${anew} `}${AGAIN}`,
    { ...place, table: name },
    additionsOnly ? { kind: "columns", table, columns: definitions } : undefined,
  );
}
