import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";
import type { Ownership } from "./ownership.js";
import type { TargetColumn, TargetTable } from "./target-table.js";

/*
 * The SQL that applies changes to one table. Rows come as `$1::reshard.row_…[]`; their attributes are named "1", "2" …
 * so that no column's name can collide with anything.
 */

/** Removes the rows whose key is in `$1`. */
export function deleteStatement(target: TargetTable): string {
  return `DELETE FROM ${only(target)} AS t USING ${orderedRows(target)} WHERE ${keyMatch(target)}`;
}

/** Puts rows in that are not there yet, as values of `writtenColumns`; a row costs half of what an upsert takes. */
export function copyStatement(target: TargetTable): string {
  return `COPY ${qualifiedName(target.table)} (${columnList(target)}) FROM STDIN (FORMAT binary)`;
}

/** COPY takes no text among binary values, casts nothing, and knows no row security. */
export function canBeCopied(target: TargetTable): boolean {
  return !target.rowSecurity && !target.columns.some((column) => (column.asText || column.former) && !column.unwritten);
}

/** Puts the rows of `$1` in, over those with the same key. */
export function upsertStatement(target: TargetTable): string {
  return `${insertStatement(target)}${replacesRows(target) ? "" : onConflict(target)}`;
}

/** Puts the rows of `$1` in; one with the same key is an error. */
export function insertStatement(target: TargetTable): string {
  const values = writtenColumns(target).map((index) => value(target.columns[index]!, index)).join(", ");
  return `INSERT INTO ${qualifiedName(target.table)} (${columnList(target)}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM ${rows(target)}`;
}

/**
 * Locks the rows whose key is in `$1`, and returns their places (from 1) with the value of a column, in binary form, as
 * bytea `owner`.
 */
export function ownersStatement(target: TargetTable, column: OwnerColumn): string {
  return `SELECT d.ordinality::int4 AS place, ${sent(column)} AS owner FROM ${only(target)} AS t, ${rows(target, " WITH ORDINALITY")} WHERE ${keyMatch(target)} FOR UPDATE OF t`;
}

/** Every row's partition and ctid, and the value of a column as `owner`. */
export function ownKeysStatement(target: TargetTable, column: OwnerColumn): string {
  return `SELECT t.tableoid::int8::text AS partition, t.ctid::text AS place, ${sent(column)} AS owner FROM ${only(target)} AS t`;
}

/** Removes the rows with these partitions and ctids. */
export function deleteOwnStatement(target: TargetTable): string {
  return `DELETE FROM ${only(target)} AS t USING unnest($1::text[], $2::text[]) AS d (partition, place) WHERE t.tableoid = d.partition::int8::oid AND t.ctid = d.place::tid`;
}

type OwnerColumn = NonNullable<Ownership["column"]>;

/** A sharding key as its type's send function gives it, and as routing reads it. */
function sent({ name, dataType }: OwnerColumn): string {
  const column = `t.${quoteIdentifier(name)}`;
  switch (dataType) {
    case "bigint":
      return `int8send(${column}::int8)`;
    case "uuid":
      return `uuid_send(${column}::uuid)`;
    case "varchar":
      return `textsend(${column}::text)`;
  }
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
  return `UPDATE ${only(target)} AS t SET ${assignments.join(", ")} FROM ${orderedRows(target)} WHERE ${keyMatch(target)}`;
}

/** Sets some columns of the rows whose key is in `$1`; returns the places (from 1) of those that were there. */
export function updateStatement(target: TargetTable, columns: readonly number[]): string {
  const assignments = assignmentsOf(target, columns);
  const source = orderedRows(target, " WITH ORDINALITY");
  if (replacesRows(target)) return replaceColumnsStatement(target, columns, source);
  if (assignments.length === 0) return `SELECT d.ordinality::int4 AS place FROM ${only(target)} AS t, ${source} WHERE ${keyMatch(target)}`;
  return `UPDATE ${only(target)} AS t SET ${assignments.join(", ")} FROM ${source} WHERE ${keyMatch(target)} RETURNING d.ordinality::int4 AS place`;
}

/** Like an update, but each row is taken out and put in again: what an identity column was set to can only be inserted. */
function replaceColumnsStatement(target: TargetTable, columns: readonly number[], source: string): string {
  const former = writtenColumns(target).map((index) => `t.${quoteIdentifier(target.columns[index]!.name)} AS "${index + 1}"`).join(", ");
  const values = writtenColumns(target).map((index) => (columns.includes(index) ? value(target.columns[index]!, index) : `gone."${index + 1}"`)).join(", ");
  return `WITH gone AS (DELETE FROM ${only(target)} AS t USING ${source} WHERE ${keyMatch(target)} RETURNING ${former}, d.ordinality::int4 AS place),
    put AS (INSERT INTO ${qualifiedName(target.table)} (${columnList(target)}) OVERRIDING SYSTEM VALUE
      SELECT ${values} FROM ${source} JOIN gone ON gone.place = d.ordinality)
    SELECT place FROM gone`;
}

/**
 * True where foreign keys of other tables would forbid to truncate `$1`: those are not published, or the shard has their
 * truncation already.
 */
export const REFERENCED_FROM_ELSEWHERE = `
  SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY ($1::text[]::regclass[]) AND conrelid <> ALL ($1::text[]::regclass[])) AS referenced`;

/** Without CASCADE: the source lists every table that it emptied. */
export function truncateStatement(targets: readonly TargetTable[], restartIdentity: boolean): string {
  return `TRUNCATE ${targets.map(only).join(", ")}${restartIdentity ? " RESTART IDENTITY" : ""}`;
}

/** The same for tables that cannot be truncated. */
export function emptyStatement(target: TargetTable): string {
  return `DELETE FROM ${only(target)}`;
}

function assignmentsOf(target: TargetTable, columns: readonly number[]): string[] {
  return columns
    .filter((index) => !target.key.includes(index) && !target.columns[index]!.identityAlways && !target.columns[index]!.unwritten)
    .map((index) => `${quoteIdentifier(target.columns[index]!.name)} = ${value(target.columns[index]!, index)}`);
}

function onConflict(target: TargetTable): string {
  const key = target.key.map((index) => quoteIdentifier(target.columns[index]!.name)).join(", ");
  const others = target.columns.filter((column, index) => !target.key.includes(index) && !column.identityAlways && !column.unwritten);
  if (others.length === 0) return ` ON CONFLICT (${key}) DO NOTHING`;
  const assignments = others.map((column) => `${quoteIdentifier(column.name)} = EXCLUDED.${quoteIdentifier(column.name)}`).join(", ");
  return ` ON CONFLICT (${key}) DO UPDATE SET ${assignments}`;
}

function rows(target: TargetTable, suffix = ""): string {
  return `unnest($1::${target.rowTypeName}[])${suffix} AS d`;
}

/** The rows as they lie in the key's index, where that pays: a page of the index, and often of the table, serves several. */
function orderedRows(target: TargetTable, suffix = ""): string {
  if (target.order.length === 0) return rows(target, suffix);
  return `(SELECT * FROM ${rows(target, suffix)} ORDER BY ${target.order.map((index) => `d."${index + 1}"`).join(", ")}) AS d`;
}

export function only(target: TargetTable): string {
  return `${target.only ? "ONLY " : ""}${qualifiedName(target.table)}`;
}

function columnList(target: TargetTable): string {
  return writtenColumns(target).map((index) => quoteIdentifier(target.columns[index]!.name)).join(", ");
}

/** Places of the columns that can be inserted. */
export function writtenColumns(target: TargetTable): number[] {
  return target.columns.flatMap((column, index) => (column.unwritten ? [] : [index]));
}

function keyMatch(target: TargetTable): string {
  return target.key.map((index) => `t.${quoteIdentifier(target.columns[index]!.name)} = ${value(target.columns[index]!, index)}`).join(" AND ");
}

/** An attribute of a row; what came as text is read by the column's type, what came in a former type is cast to it. */
export function value(column: TargetColumn, index: number): string {
  const attribute = `d."${index + 1}"`;
  if (!column.asText) return column.former ? `${attribute}::${column.columnType}` : attribute;
  return column.inputFunction === null ? `${attribute}::${column.columnType}` : `${column.inputFunction}(pg_catalog.textout(${attribute}))`;
}
