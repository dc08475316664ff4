/*
 * What planning reads of a shard's catalog. Names come qualified, since the session's search_path is pg_catalog; schemas of
 * the system and of this project itself are left out.
 */

const USER_SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'reshard')";

export interface RelationRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  /** The topmost table of a partition tree. */
  readonly root: number;
  /** Tables that it inherits from, partitions' included. */
  readonly parents: readonly number[];
  readonly definition: string | null;
  readonly rewritten: boolean;
  readonly guarded: boolean;
  /** Of a sequence: the tables that it belongs to or whose defaults name it. */
  readonly users: readonly number[];
}

export const RELATIONS_SQL = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
    COALESCE(pg_partition_root(c.oid), c.oid)::oid::int8::float8 AS root,
    ARRAY(SELECT i.inhparent::int8::float8 FROM pg_inherits i WHERE i.inhrelid = c.oid) AS parents,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition,
    EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1') AS rewritten,
    c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polqual::text LIKE '%{SUBLINK%') AS guarded,
    CASE WHEN c.relkind = 'S' THEN ARRAY(
      SELECT d.refobjid::int8::float8 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      UNION SELECT ad.adrelid::int8::float8 FROM pg_depend d JOIN pg_attrdef ad ON ad.oid = d.objid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid) ELSE '{}' END AS users
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND ${USER_SCHEMAS}`;

export interface ColumnRow {
  readonly relation: number;
  readonly name: string;
  readonly type: string;
  readonly collatable: boolean;
  /** A C collation: text compares by its bytes. */
  readonly bytewise: boolean;
  readonly deterministic: boolean;
  readonly not_null: boolean;
  readonly max_length: number | null;
  readonly default: string | null;
  readonly generated: boolean;
  readonly identity: string;
}

/** Domains are looked through to their base type (getBaseTypeAndTypmod); a default may be the domain's. */
export const COLUMNS_SQL = `
  WITH RECURSIVE base (domain, oid, typmod, fallback) AS (
    SELECT t.oid, t.oid, -1, NULL::text COLLATE "C" FROM pg_type t WHERE t.typtype <> 'd'
    UNION ALL
    SELECT d.oid, base.oid, CASE WHEN d.typtypmod >= 0 THEN d.typtypmod ELSE base.typmod END, COALESCE(pg_get_expr(d.typdefaultbin, 0), base.fallback) COLLATE "C"
      FROM pg_type d JOIN base ON base.domain = d.typbasetype WHERE d.typtype = 'd'
  ), standard AS (
    SELECT CASE WHEN to_jsonb(d) ->> 'datlocprovider' = 'b' THEN true ELSE to_jsonb(d) ->> 'datlocprovider' = 'c' AND d.datcollate IN ('C', 'POSIX') END AS bytewise
      FROM pg_database d WHERE d.datname = current_database()
  )
  SELECT a.attrelid::int8::float8 AS relation, a.attname AS name, t.typname AS type, a.attcollation <> 0 AS collatable,
    CASE WHEN a.attcollation = 100 THEN standard.bytewise
         ELSE COALESCE(co.collprovider = 'b' OR (co.collprovider = 'c' AND co.collcollate IN ('C', 'POSIX')), false) END AS bytewise,
    COALESCE(co.collisdeterministic, true) AS deterministic, a.attnotnull AS not_null,
    CASE WHEN t.typname = 'varchar' THEN nullif(GREATEST(CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE base.typmod END - 4, -1), -1) END AS max_length,
    CASE WHEN a.attgenerated = '' THEN COALESCE(pg_get_expr(ad.adbin, ad.adrelid) COLLATE "C", base.fallback) END AS "default",
    a.attgenerated <> '' AS generated, a.attidentity::text AS identity
  FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN base ON base.domain = a.atttypid JOIN pg_type t ON t.oid = base.oid
    CROSS JOIN standard
    LEFT JOIN pg_collation co ON co.oid = a.attcollation
    LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND ${USER_SCHEMAS}
  ORDER BY a.attrelid, a.attnum`;

export interface UniqueKeyRow {
  readonly relation: number;
  readonly name: string;
  readonly columns: readonly string[] | null;
  readonly partial: boolean;
  readonly nullable: boolean;
}

export const UNIQUE_KEYS_SQL = `
  SELECT i.indrelid::int8::float8 AS relation, c.relname AS name, i.indpred IS NOT NULL AS partial,
    CASE WHEN i.indexprs IS NULL THEN ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.place <= i.indnkeyatts ORDER BY k.place) END AS columns,
    NOT i.indimmediate OR EXISTS (SELECT FROM unnest(i.indkey::int2[]) AS k (attnum)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE NOT a.attnotnull) AS nullable
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE i.indisunique AND i.indisvalid AND ${USER_SCHEMAS}`;

export interface TriggerRow {
  readonly relation: number;
  /** Bits of pg_trigger.tgtype. */
  readonly kinds: number;
}

/** Those that users made and that fire in ordinary sessions, unless their function is declared IMMUTABLE. */
export const TRIGGERS_SQL = `
  SELECT t.tgrelid::int8::float8 AS relation, t.tgtype::int4 AS kinds
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
  WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND p.provolatile <> 'i'`;

export interface CarryRow {
  readonly child: number;
  readonly child_column: string;
  readonly parent: number;
  readonly parent_column: string;
  readonly on_update: boolean;
  readonly on_delete: boolean;
}

/** Foreign keys that change the referring columns: ON UPDATE CASCADE, SET NULL, SET DEFAULT; ON DELETE the latter two. */
export const CARRIES_SQL = `
  SELECT f.conrelid::int8::float8 AS child, ca.attname AS child_column, f.confrelid::int8::float8 AS parent, pa.attname AS parent_column,
    f.confupdtype IN ('c', 'n', 'd') AS on_update, f.confdeltype IN ('n', 'd') AS on_delete
  FROM pg_constraint f CROSS JOIN LATERAL unnest(f.conkey, f.confkey) AS k (child, parent)
    JOIN pg_attribute ca ON ca.attrelid = f.conrelid AND ca.attnum = k.child
    JOIN pg_attribute pa ON pa.attrelid = f.confrelid AND pa.attnum = k.parent
  WHERE f.contype = 'f' AND (f.confupdtype IN ('c', 'n', 'd') OR f.confdeltype IN ('n', 'd'))`;

export interface FunctionRow {
  readonly schema: string;
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly variadic: boolean;
  readonly volatility: string;
  readonly kind: string;
  readonly extension: boolean;
}

export const FUNCTIONS_SQL = `
  SELECT n.nspname AS schema, p.proname AS name, p.pronargs - p.pronargdefaults AS least, p.pronargs::int4 AS most, p.provariadic <> 0 AS variadic,
    p.provolatile::text AS volatility, p.prokind::text AS kind,
    EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AS extension
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.prorettype <> 'trigger'::regtype`;

/** FirstNormalObjectId (access/transam.h) is 16384; operators of extensions are taken to be harmless, as their authors say. */
export const OPERATORS_SQL = `
  SELECT DISTINCT o.oprname AS name FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
  WHERE o.oid >= 16384 AND p.provolatile <> 'i'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e')`;

export const SYSTEM_RELATIONS_SQL = `SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v')`;
