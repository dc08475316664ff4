import { belongings, type CatalogStatement, catalogStatement, flag, grants, ofUser, ofUsersIn, ownObject } from "./catalog-sql.js";

/** `c` in schema `n`. */
export const RELATION = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND ${ofUser()} AND ${ownObject("pg_class", "c.oid")}`;
const OPTIONS = `array_to_string((SELECT array_agg(o ORDER BY o) FROM unnest(c.reloptions) o), ', ')`;
const TABLESPACE = "(SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace)";
const ACCESS_METHOD = "(SELECT nullif(amname, 'heap') FROM pg_am WHERE oid = c.relam)";
const PARTS = { schema: "n.nspname", name: "c.relname" };
/** Tables and views under the query's rule. */
const USES = `(SELECT jsonb_agg(DISTINCT jsonb_build_object('schema', m.nspname, 'name', d.relname))
  FROM pg_rewrite r JOIN pg_depend p ON p.classid = 'pg_rewrite'::regclass AND p.objid = r.oid AND p.refclassid = 'pg_class'::regclass AND p.refobjid <> c.oid
  JOIN pg_class d ON d.oid = p.refobjid JOIN pg_namespace m ON m.oid = d.relnamespace WHERE r.ev_class = c.oid)`;

/** Tables, views and sequences, and their columns. */
export const relationStatements: readonly CatalogStatement[] = [
  catalogStatement({
    kind: "CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END",
    ...PARTS,
    properties: {
      persistence: "CASE c.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END",
      "partitioned by": "CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END",
      "partition bound": "pg_get_expr(c.relpartbound, c.oid)",
      parents: "(SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid)",
      "of type": "nullif(c.reloftype, 0)::regtype",
      options: OPTIONS,
      "toast options": "(SELECT array_to_string(t.reloptions, ', ') FROM pg_class t WHERE t.oid = c.reltoastrelid)",
      "replica identity": `CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full'
        WHEN 'i' THEN (SELECT 'index ' || x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) END`,
      "row security": "concat_ws(', ', CASE WHEN c.relrowsecurity THEN 'enabled' END, CASE WHEN c.relforcerowsecurity THEN 'forced' END)",
      "access method": ACCESS_METHOD,
      tablespace: TABLESPACE,
      server: "(SELECT s.srvname FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid)",
      ...belongings("pg_class", "c", { owner: "relowner", acl: "relacl", type: "r" }),
    },
  }, `${RELATION} WHERE c.relkind IN ('r', 'p', 'f')`),
  catalogStatement({
    kind: "CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END",
    ...PARTS,
    uses: USES,
    properties: {
      definition: "pg_get_viewdef(c.oid)",
      options: OPTIONS,
      populated: "CASE WHEN c.relkind = 'm' THEN c.relispopulated END",
      "access method": ACCESS_METHOD,
      tablespace: TABLESPACE,
      ...belongings("pg_class", "c", { owner: "relowner", acl: "relacl", type: "r" }),
    },
  }, `${RELATION} WHERE c.relkind IN ('v', 'm')`, ofUsersIn("pg_class", "relkind IN ('v', 'm')")),
  catalogStatement({
    kind: "'sequence'",
    ...PARTS,
    uses: `(SELECT jsonb_agg(jsonb_build_object('schema', m.nspname, 'name', t.relname)) FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace m ON m.oid = t.relnamespace
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))`,
    properties: {
      type: "format_type(s.seqtypid, NULL)",
      start: "s.seqstart",
      increment: "s.seqincrement",
      minimum: "s.seqmin",
      maximum: "s.seqmax",
      cache: "s.seqcache",
      cycle: flag("s.seqcycle"),
      persistence: "CASE c.relpersistence WHEN 'u' THEN 'unlogged' END",
      "owned by": `(SELECT d.refobjid::regclass || '.' || quote_ident(a.attname) FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))`,
      ...belongings("pg_class", "c", { owner: "relowner", acl: "relacl", type: "s" }),
    },
  }, `${RELATION} JOIN pg_sequence s ON s.seqrelid = c.oid`, ofUsersIn("pg_class", "relkind = 'S'")),
  catalogStatement({
    kind: "'column'",
    schema: "n.nspname",
    owner: "c.relname",
    name: "a.attname",
    properties: {
      type: "format_type(a.atttypid, a.atttypmod)",
      position: "row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)",
      "not null": flag("a.attnotnull"),
      default: "CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END",
      generated: "CASE a.attgenerated WHEN 's' THEN 'stored: ' WHEN 'v' THEN 'virtual: ' END || pg_get_expr(d.adbin, d.adrelid)",
      identity: "CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END",
      collation: "CASE WHEN a.attcollation <> t.typcollation THEN nullif(a.attcollation, 0)::regcollation END",
      storage: "CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END",
      compression: "a.attcompression",
      // Null for none since 17, -1 before.
      statistics: "nullif(a.attstattarget, -1)",
      options: "array_to_string((SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) o), ', ')",
      grants: "(SELECT CASE WHEN a.attacl IS NOT NULL THEN " + grants("a.attacl", "c", "c.relowner") + " END)",
      comment: "col_description(c.oid, a.attnum)",
    },
  }, `${RELATION} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')`),
];
