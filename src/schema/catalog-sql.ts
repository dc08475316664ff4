import { OWN_SCHEMA } from "../postgres/catalog.js";

/** Parts of the statements that read a catalog. Every statement answers with rows of the same columns. */

/** The columns of one statement; what is left out is null. */
export interface CatalogColumns {
  /** SQL expressions, all of them text. */
  readonly kind: string;
  readonly schema?: string;
  readonly owner?: string;
  readonly name: string;
  readonly signature?: string;
  /** A jsonb array of `{schema, name}`. */
  readonly uses?: string;
  readonly since?: number;
  /** SQL expressions by the names of properties; null and '' mean that it is absent. */
  readonly properties: Readonly<Record<string, string>>;
}

/** A statement whose rows `read-catalog.ts` understands. */
export interface CatalogStatement {
  readonly sql: string;
  /** A catalog and a condition, as they follow FROM: where they find no row, the statement has none. Absent: it is always asked. */
  readonly witness?: string;
}

/** @param witness most databases have nothing of most kinds */
export function catalogStatement(columns: CatalogColumns, from: string, witness?: string): CatalogStatement {
  const { kind, schema = "''", owner = "NULL", name, signature = "NULL", uses = "NULL", since = 0, properties } = columns;
  const pairs = Object.entries(properties).map(([property, expression]) => `'${property}', nullif((${expression})::text, '')`);
  const sql = `SELECT ${kind} AS kind, ${schema} AS schema, ${owner} AS owner, ${name} AS name, ${signature} AS signature, ${uses} AS uses, ${since} AS since,
    jsonb_strip_nulls(jsonb_build_object(${pairs.join(", ")})) AS properties FROM ${from}`;
  return { sql, ...(witness === undefined ? {} : { witness }) };
}

/** Schemas of users: PostgreSQL reserves `pg_`, and `reshard` is this project's own. */
export function ofUser(schema = "n.nspname"): string {
  return `${schema} !~ '^pg_' AND ${schema} NOT IN ('information_schema', '${OWN_SCHEMA}')`;
}

/** What is no member of an extension. */
export function ownObject(catalog: string, oid: string): string {
  return `NOT EXISTS (SELECT FROM pg_depend member WHERE member.classid = '${catalog}'::regclass AND member.objid = ${oid} AND member.deptype = 'e')`;
}

/** FirstNormalObjectId (access/transam.h): objects of initdb have lower ones. */
export const FIRST_USER_OID = 16384;

/** The witness of what initdb did not bring. */
export function ofUsersIn(catalog: string, condition?: string): string {
  return `${catalog} WHERE oid >= ${FIRST_USER_OID}${condition === undefined ? "" : ` AND ${condition}`}`;
}

/** The grants of an object, one role after the other, the owner's too; without who granted them. */
export function grants(acl: string, type: string, owner: string): string {
  return grantsOf(`coalesce(${acl}, acldefault('${type}', ${owner}))`);
}

/** Of an access control list: `reader: INSERT, SELECT*; PUBLIC: SELECT`, the star for WITH GRANT OPTION. */
export function grantsOf(acl: string): string {
  return `(SELECT string_agg(role || ': ' || privileges, '; ' ORDER BY role) FROM (
    SELECT coalesce(quote_ident(pg_get_userbyid(nullif(grantee, 0))), 'PUBLIC') AS role, string_agg(DISTINCT privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ', ') AS privileges
      FROM aclexplode(${acl}) GROUP BY grantee) a)`;
}

/** Owner, grants and comment. */
export function belongings(catalog: string, alias: string, { owner, acl, type }: { readonly owner?: string; readonly acl?: string; readonly type?: string }): Record<string, string> {
  return {
    ...(owner === undefined ? {} : { owner: `pg_get_userbyid(${alias}.${owner})` }),
    ...(owner === undefined || acl === undefined || type === undefined ? {} : { grants: grants(`${alias}.${acl}`, type, `${alias}.${owner}`) }),
    comment: `obj_description(${alias}.oid, '${catalog}')`,
  };
}

/** A column that some versions do not have: null there. */
export function sometimes(alias: string, column: string): string {
  return `(to_jsonb(${alias}) ->> '${column}')`;
}

/** `yes` where the condition holds. */
export function flag(condition: string): string {
  return `CASE WHEN ${condition} THEN 'yes' END`;
}

/** A function's name with its arguments' types, null for none. */
export function routine(oid: string): string {
  return `nullif(${oid}::oid, 0)::regprocedure`;
}
