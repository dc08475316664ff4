import type pg from "pg";
import { OWN_SCHEMA } from "./catalog.js";
import { qualifiedName, type TableName } from "./identifiers.js";

/** A sequence as it is defined and where it stands. */
export interface Sequence extends TableName {
  /** `bigint`, `integer` or `smallint`. */
  readonly type: string;
  readonly start: bigint;
  readonly minimum: bigint;
  readonly maximum: bigint;
  readonly increment: bigint;
  readonly cache: bigint;
  readonly cycle: boolean;
  readonly unlogged: boolean;
  /** The sequence's own columns: with `called` the value that was drawn last, else the one that comes next. */
  readonly lastValue: bigint;
  readonly called: boolean;
  readonly grants: readonly SequenceGrant[];
  readonly comment: string | undefined;
}

export interface SequenceGrant {
  /** undefined: PUBLIC. */
  readonly role: string | undefined;
  readonly privilege: string;
  readonly grantable: boolean;
}

/** A table's column that owns a sequence, is its identity, or has it in its default. */
export interface SequenceColumn extends TableName {
  readonly column: string;
  readonly sequence: TableName;
  /** `regclass` as expressions of this server print it: `public.users_id_seq`. */
  readonly sequenceText: string;
  readonly identity: "always" | "by default" | undefined;
  /** `pg_get_expr` of the default, names in full; undefined where there is none. */
  readonly expression: string | undefined;
  /** The topmost table of a partition tree, else the table itself: sharding rules speak of this one. */
  readonly root: TableName;
  /** The table's columns, with `pg_type.typname` of their types or of the types under domains. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** The role that owns the table. */
  readonly owner: string;
  /** Partitions that share the identity (since PostgreSQL 17). */
  readonly identityPartitions: readonly TableName[];
}

/** Temporary sequences are a session's own; those of extensions are the extensions' business, as pg_dump has it. */
const SEQUENCES_SQL = `
  SELECT n.nspname AS schema, c.relname AS name, format_type(s.seqtypid, NULL) AS type, s.seqstart::text AS start, s.seqmin::text AS minimum,
         s.seqmax::text AS maximum, s.seqincrement::text AS increment, s.seqcache::text AS cache, s.seqcycle AS cycle, c.relpersistence = 'u' AS unlogged,
         obj_description(c.oid, 'pg_class') AS comment,
         COALESCE((SELECT json_agg(json_build_object('role', CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END, 'privilege', g.privilege_type, 'grantable', g.is_grantable)
                                   ORDER BY g.grantee, g.privilege_type)
                     FROM aclexplode(c.relacl) AS g WHERE g.grantee <> c.relowner), '[]') AS grants
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', '${OWN_SCHEMA}') AND c.relpersistence <> 't'
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
   ORDER BY 1, 2`;

interface SequenceRow {
  schema: string;
  name: string;
  type: string;
  start: string;
  minimum: string;
  maximum: string;
  increment: string;
  cache: string;
  cycle: boolean;
  unlogged: boolean;
  comment: string | null;
  grants: { role: string | null; privilege: string; grantable: boolean }[];
}

/** Positions that one statement asks for. */
const POSITIONS_AT_ONCE = 200;

/** All sequences of a database but temporary ones, those of extensions and our own. */
export async function readSequences(client: pg.Client): Promise<Sequence[]> {
  const { rows } = await client.query<SequenceRow>(SEQUENCES_SQL);
  const sequences: Sequence[] = [];
  for (let from = 0; from < rows.length; from += POSITIONS_AT_ONCE) {
    const some = rows.slice(from, from + POSITIONS_AT_ONCE);
    // pg_sequence_last_value knows nothing of a value that was set and not drawn yet.
    const positions = await client.query<{ position: number; last_value: string; is_called: boolean }>(
      some.map((row, position) => `SELECT ${position} AS position, last_value::text, is_called FROM ${qualifiedName(row)}`).join(" UNION ALL "),
    );
    for (const { position, last_value, is_called } of positions.rows) {
      const row = some[position]!;
      sequences[from + position] = {
        ...row,
        start: BigInt(row.start),
        minimum: BigInt(row.minimum),
        maximum: BigInt(row.maximum),
        increment: BigInt(row.increment),
        cache: BigInt(row.cache),
        comment: row.comment ?? undefined,
        grants: row.grants.map((grant) => ({ ...grant, role: grant.role ?? undefined })),
        lastValue: BigInt(last_value),
        called: is_called,
      };
    }
  }
  return sequences;
}

const COLUMNS_SQL = `
  WITH drawn AS (
    SELECT d.adrelid AS relid, d.adnum AS attnum, p.refobjid AS sequence
      FROM pg_attrdef d JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
      JOIN pg_sequence s ON s.seqrelid = p.refobjid
    UNION
    SELECT p.refobjid, p.refobjsubid, p.objid
      FROM pg_depend p JOIN pg_sequence s ON s.seqrelid = p.objid
     WHERE p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass AND p.deptype IN ('a', 'i') AND p.refobjsubid > 0)
  SELECT tn.nspname AS schema, t.relname AS name, a.attname AS column, sn.nspname AS sequence_schema, s.relname AS sequence_name,
         s.oid::regclass::text AS sequence_text, a.attidentity AS identity, pg_get_expr(d.adbin, d.adrelid) AS expression,
         rn.nspname AS root_schema, r.relname AS root_name, pg_get_userbyid(t.relowner) AS owner,
         (SELECT json_agg(json_build_object('name', b.attname, 'type', (
                   WITH RECURSIVE up AS (SELECT * FROM pg_type WHERE oid = b.atttypid UNION ALL SELECT y.* FROM pg_type y JOIN up ON up.typtype = 'd' AND y.oid = up.typbasetype)
                   SELECT typname FROM up WHERE typtype <> 'd')) ORDER BY b.attnum)
            FROM pg_attribute b WHERE b.attrelid = t.oid AND b.attnum > 0 AND NOT b.attisdropped) AS columns,
         COALESCE((SELECT json_agg(json_build_object('schema', pn.nspname, 'name', c.relname) ORDER BY pn.nspname, c.relname)
                     FROM pg_partition_tree(CASE WHEN a.attidentity <> '' THEN t.oid END) AS p JOIN pg_class c ON c.oid = p.relid AND c.oid <> t.oid
                     JOIN pg_namespace pn ON pn.oid = c.relnamespace
                     JOIN pg_attribute b ON b.attrelid = c.oid AND b.attname = a.attname AND b.attidentity <> ''), '[]') AS identity_partitions
    FROM drawn
    JOIN pg_class t ON t.oid = drawn.relid AND t.relkind IN ('r', 'p') AND t.relpersistence <> 't'
    JOIN pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = drawn.attnum
    JOIN pg_class s ON s.oid = drawn.sequence JOIN pg_namespace sn ON sn.oid = s.relnamespace
    JOIN pg_class r ON r.oid = COALESCE(pg_partition_root(t.oid), t.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
   WHERE tn.nspname NOT IN ('pg_catalog', 'information_schema', '${OWN_SCHEMA}')
   ORDER BY 1, 2, a.attnum, 4, 5`;

interface ColumnRow {
  schema: string;
  name: string;
  column: string;
  sequence_schema: string;
  sequence_name: string;
  sequence_text: string;
  identity: "" | "a" | "d";
  expression: string | null;
  root_schema: string;
  root_name: string;
  owner: string;
  columns: { name: string; type: string }[];
  identity_partitions: TableName[];
}

/** The columns that have to do with sequences; a column comes once for each of its sequences. */
export async function readSequenceColumns(client: pg.Client): Promise<SequenceColumn[]> {
  const { rows } = await client.query<ColumnRow>(COLUMNS_SQL);
  return rows.map((row) => ({
    schema: row.schema,
    name: row.name,
    column: row.column,
    sequence: { schema: row.sequence_schema, name: row.sequence_name },
    sequenceText: row.sequence_text,
    identity: row.identity === "a" ? "always" : row.identity === "d" ? "by default" : undefined,
    expression: row.expression ?? undefined,
    root: { schema: row.root_schema, name: row.root_name },
    columns: row.columns,
    owner: row.owner,
    identityPartitions: row.identity_partitions,
  }));
}
