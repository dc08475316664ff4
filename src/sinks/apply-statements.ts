import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";
import type { TargetColumn, TargetTable } from "./target-table.js";

/*
 * The SQL that applies changes to one table. Rows come as `$1::reshard.row_…[]`; their attributes are named "1", "2" …
 * so that no column's name can collide with anything.
 */

/** Removes the rows whose key is in `$1`. */
export function deleteStatement(target: TargetTable): string {
  return `DELETE FROM ${only(target)} AS t USING ${rows(target)} WHERE ${keyMatch(target)}`;
}

/** Puts the rows of `$1` in, over those with the same key. */
export function upsertStatement(target: TargetTable): string {
  const values = target.columns.map((column, index) => value(column, index)).join(", ");
  return `INSERT INTO ${qualifiedName(target.table)} (${columnList(target)}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM ${rows(target)}${replacesRows(target) ? "" : onConflict(target)}`;
}

/** True where an upsert has to delete first: a column GENERATED ALWAYS AS IDENTITY can be inserted but not set. */
export function replacesRows(target: TargetTable): boolean {
  return target.columns.some((column, index) => column.identityAlways && !target.key.includes(index));
}

/**
 * Sets every column of the rows whose key is in `$1`; the command's row count tells how many were there. Undefined where
 * nothing can be set: every column is in the key, or an identity column could only be inserted.
 */
export function replaceStatement(target: TargetTable): string | undefined {
  const assignments = assignmentsOf(target, target.columns.map((_, index) => index));
  if (assignments.length === 0 || replacesRows(target)) return undefined;
  return `UPDATE ${only(target)} AS t SET ${assignments.join(", ")} FROM ${rows(target)} WHERE ${keyMatch(target)}`;
}

/** Sets some columns of the rows whose key is in `$1`; returns the places (from 1) of those that were there. */
export function updateStatement(target: TargetTable, columns: readonly number[]): string {
  const assignments = assignmentsOf(target, columns);
  const source = rows(target, " WITH ORDINALITY");
  if (assignments.length === 0) return `SELECT d.ordinality::int4 AS place FROM ${only(target)} AS t, ${source} WHERE ${keyMatch(target)}`;
  return `UPDATE ${only(target)} AS t SET ${assignments.join(", ")} FROM ${source} WHERE ${keyMatch(target)} RETURNING d.ordinality::int4 AS place`;
}

/** Gives the row with the key in `$1` the key and columns in `$2`; it keeps its other values. */
export function changeKeyStatement(target: TargetTable, columns: readonly number[]): string {
  const values = target.columns.map((column, index) => (columns.includes(index) ? value(column, index) : `gone.${quoteIdentifier(column.name)}`)).join(", ");
  return `WITH gone AS (DELETE FROM ${only(target)} AS t USING ${rows(target)} WHERE ${keyMatch(target)} RETURNING t.*)
    INSERT INTO ${qualifiedName(target.table)} (${columnList(target)}) OVERRIDING SYSTEM VALUE
    SELECT ${values} FROM unnest($2::${target.rowTypeName}[]) AS d, gone${onConflict(target)}`;
}

/** Without CASCADE: the source lists every table that it emptied. */
export function truncateStatement(targets: readonly TargetTable[], restartIdentity: boolean): string {
  return `TRUNCATE ${targets.map(only).join(", ")}${restartIdentity ? " RESTART IDENTITY" : ""}`;
}

function assignmentsOf(target: TargetTable, columns: readonly number[]): string[] {
  return columns
    .filter((index) => !target.key.includes(index) && !target.columns[index]!.identityAlways)
    .map((index) => `${quoteIdentifier(target.columns[index]!.name)} = ${value(target.columns[index]!, index)}`);
}

function onConflict(target: TargetTable): string {
  const key = target.key.map((index) => quoteIdentifier(target.columns[index]!.name)).join(", ");
  const others = target.columns.filter((column, index) => !target.key.includes(index) && !column.identityAlways);
  if (others.length === 0) return ` ON CONFLICT (${key}) DO NOTHING`;
  const assignments = others.map((column) => `${quoteIdentifier(column.name)} = EXCLUDED.${quoteIdentifier(column.name)}`).join(", ");
  return ` ON CONFLICT (${key}) DO UPDATE SET ${assignments}`;
}

function rows(target: TargetTable, suffix = ""): string {
  return `unnest($1::${target.rowTypeName}[])${suffix} AS d`;
}

function only(target: TargetTable): string {
  return `${target.only ? "ONLY " : ""}${qualifiedName(target.table)}`;
}

function columnList(target: TargetTable): string {
  return target.columns.map((column) => quoteIdentifier(column.name)).join(", ");
}

function keyMatch(target: TargetTable): string {
  return target.key.map((index) => `t.${quoteIdentifier(target.columns[index]!.name)} = ${value(target.columns[index]!, index)}`).join(" AND ");
}

/** An attribute of a row; a type without binary form came as text and is read by the column's type. */
function value(column: TargetColumn, index: number): string {
  return `d."${index + 1}"${column.asText ? `::${column.columnType}` : ""}`;
}
