import { ReshardError } from "../errors.js";
import type { TableName } from "../postgres/identifiers.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { TypeOid } from "../postgres/type-oids.js";
import type { TableShape } from "../table-batch.js";

/** A table of a source in memory. */
export interface TestTable {
  readonly oid: number;
  /** Absent: public. */
  readonly schema?: string;
  readonly name: string;
  /** REPLICA IDENTITY FULL: old rows come whole. Without it some column is a key. */
  readonly full?: boolean;
  readonly columns: readonly TestColumn[];
}

export interface TestColumn {
  readonly name: string;
  /** `pg_type.typname`; absent: text. */
  readonly type?: string;
  readonly key?: boolean;
  readonly notNull?: boolean;
  /** Some values are stored outside the row, and are not sent where they did not change: see `isOutside`. */
  readonly large?: boolean;
}

/**
 * A table by the texts that define its columns.
 *
 * @param columns - by name: a type of PostgreSQL, then `primary key` (on each column of the key) or `not null`
 * @throws ReshardError TEST_COLUMN_WRONG
 * @example
 * testTable("users", { id: "bigint primary key", email: "text", joined: "date not null" })
 */
export function testTable(name: string, columns: Readonly<Record<string, string>>, { schema = "public", full }: { readonly schema?: string; readonly full?: boolean } = {}): TestTable {
  const made = Object.entries(columns).map(([column, definition]): TestColumn => {
    const parsed = testColumn(column, definition);
    if (parsed !== undefined) return parsed;
    throw new ReshardError("TEST_COLUMN_WRONG", `"${definition}" does not define the column "${column}" of ${name}.`, { remedy: `Write ${COLUMN_EXPECTED}.` });
  });
  return { oid: oidOf(`${schema}.${name}`), schema, name, full: full ?? !made.some(({ key }) => key === true), columns: made };
}

export const COLUMN_EXPECTED = 'a type, then "primary key" or "not null" where it is: "bigint primary key", "varchar(20)", "text not null"';

/** Types of several words, or one name; then modifiers and brackets. */
const DEFINITION = /^\s*((?:double\s+precision|character\s+varying|bit\s+varying|[a-z_][a-z0-9_]*|"[^"]+")(?:\s*\(\s*\d+\s*(?:,\s*-?\d+\s*)?\))?(?:\s+with(?:out)?\s+time\s+zone)?(?:\[\])?)(\s+primary\s+key)?(\s+not\s+null)?\s*$/iu;

/** Undefined: the text defines no column. */
export function testColumn(name: string, definition: string): TestColumn | undefined {
  const [, type, key, notNull] = DEFINITION.exec(definition) ?? [];
  if (type === undefined) return undefined;
  const typname = typeName(type);
  return {
    name,
    type: typname,
    ...(key === undefined ? {} : { key: true }),
    ...(key === undefined && notNull === undefined ? {} : { notNull: true }),
    ...(LARGE.has(typname) && key === undefined ? { large: true } : {}),
  };
}

/** SQL's words for types, and those that make sequences, by what they are. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  bigint: "int8", bigserial: "int8", integer: "int4", int: "int4", serial: "int4", smallint: "int2", smallserial: "int2",
  boolean: "bool", real: "float4", "double precision": "float8", float: "float8", decimal: "numeric",
  "character varying": "varchar", character: "bpchar", char: "bpchar", "bit varying": "varbit",
  "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp", "time with time zone": "timetz", "time without time zone": "time",
};

/** Types whose values TOAST stores outside the row, where they are long. */
const LARGE: ReadonlySet<string> = new Set(["text", "varchar", "json", "jsonb", "bytea", "xml"]);

function typeName(sql: string): string {
  const array = sql.endsWith("[]");
  const plain = sql.replace(/\[\]$/u, "").replace(/\(.*?\)/u, "").replaceAll(/\s+/gu, " ").trim();
  const known = TYPE_NAMES[plain.toLowerCase()] ?? (plain.startsWith("\"") ? plain.replaceAll("\"", "") : plain.toLowerCase());
  return array ? `_${known}` : known;
}

/** The same for the same name: FNV-1a, 31 bits of it (RFC 9923). */
function oidOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 1) || 1;
}

export function typeOf({ type }: TestColumn): string {
  return type ?? "text";
}

export function nameOf({ schema = "public", name }: TestTable): TableName {
  return { schema, name };
}

/** As operators see it. */
export function shapeOf(table: TestTable): TableShape {
  return { ...nameOf(table), columns: table.columns.map((column) => ({ name: column.name, type: typeOf(column), partOfKey: column.key === true })) };
}

/** A table as operators have made it. */
export function tableOfShape(shape: TableShape, before: TestTable): TestTable {
  return {
    oid: before.oid, schema: shape.schema, name: shape.name, ...(before.full === undefined ? {} : { full: before.full }),
    columns: shape.columns.map(({ name, type, partOfKey }, place) => ({ ...before.columns[place], name, type, key: partOfKey })),
  };
}

export function relationOf(table: TestTable): PgoutputRelation {
  return {
    kind: "relation", xid: undefined, oid: table.oid, ...nameOf(table), replicaIdentity: table.full === true ? "f" : "d",
    columns: table.columns.map((column) => ({ name: column.name, typeOid: typeOid(typeOf(column)), typeModifier: -1, partOfKey: column.key === true || table.full === true })),
  };
}

/** Of types that are no built-in ones some number beyond those: nobody asks for it. */
function typeOid(type: string): number {
  return (TypeOid as Readonly<Record<string, number>>)[type] ?? oidOf(type);
}

export function isKeyless(table: TestTable): boolean {
  return !table.columns.some(({ key }) => key === true);
}
