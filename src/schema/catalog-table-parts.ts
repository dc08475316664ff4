import { RELATION } from "./catalog-relations.js";
import { catalogStatement, type CatalogStatement, flag, ofUsersIn } from "./catalog-sql.js";

const ON_TABLE = { schema: "n.nspname", owner: "c.relname" };
const FIRES = "CASE $ WHEN 'O' THEN NULL WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END";
const COMMANDS = "'*', 'all', 'r', 'select', 'a', 'insert', 'w', 'update', 'd', 'delete'";
const CONSTRAINT_KINDS = "CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique constraint' WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion constraint' WHEN 'n' THEN 'not null constraint' ELSE 'check constraint' END";
const constraint = { definition: "pg_get_constraintdef(k.oid)", comment: "obj_description(k.oid, 'pg_constraint')" };

/** What tables and views consist of besides columns: indexes, constraints, triggers, rules, policies. */
export const tablePartStatements: readonly CatalogStatement[] = [
  catalogStatement({
    kind: "'index'",
    ...ON_TABLE,
    name: "x.relname",
    properties: {
      definition: "pg_get_indexdef(i.indexrelid)",
      // That of a partitioned table is valid once all of its partitions' are attached.
      valid: "i.indisvalid",
      clustered: flag("i.indisclustered"),
      "attached to": "(SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = i.indexrelid)",
      statistics: "(SELECT string_agg(a.attnum || ' ' || a.attstattarget, ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)",
      tablespace: "(SELECT spcname FROM pg_tablespace WHERE oid = x.reltablespace)",
      comment: "obj_description(x.oid, 'pg_class')",
    },
  }, `${RELATION} JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid WHERE c.relkind IN ('r', 'p', 'm')`),
  catalogStatement({ kind: CONSTRAINT_KINDS, ...ON_TABLE, name: "k.conname", properties: constraint },
    // Foreign keys of partitions come from their parent's, under names that PostgreSQL chooses.
    `${RELATION} JOIN pg_constraint k ON k.conrelid = c.oid WHERE k.contype IN ('p', 'u', 'x', 'c') OR k.contype = 'f' AND k.conparentid = 0`),
  catalogStatement({ kind: CONSTRAINT_KINDS, ...ON_TABLE, name: "k.conname", since: 18, properties: constraint },
    `${RELATION} JOIN pg_constraint k ON k.conrelid = c.oid WHERE k.contype = 'n'`),
  catalogStatement({
    kind: "'trigger'",
    ...ON_TABLE,
    name: "t.tgname",
    properties: { definition: "pg_get_triggerdef(t.oid)", fires: FIRES.replace("$", "t.tgenabled"), comment: "obj_description(t.oid, 'pg_trigger')" },
  }, `${RELATION} JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal`, ofUsersIn("pg_trigger", "NOT tgisinternal")),
  catalogStatement({
    kind: "'rule'",
    ...ON_TABLE,
    name: "r.rulename",
    properties: { definition: "pg_get_ruledef(r.oid)", fires: FIRES.replace("$", "r.ev_enabled"), comment: "obj_description(r.oid, 'pg_rewrite')" },
  }, `${RELATION} JOIN pg_rewrite r ON r.ev_class = c.oid AND r.rulename <> '_RETURN'`, ofUsersIn("pg_rewrite", "rulename <> '_RETURN'")),
  catalogStatement({
    kind: "'policy'",
    ...ON_TABLE,
    name: "p.polname",
    properties: {
      command: `jsonb_build_object(${COMMANDS}) ->> p.polcmd::text`,
      restrictive: flag("NOT p.polpermissive"),
      roles: "(SELECT string_agg(coalesce(quote_ident(pg_get_userbyid(nullif(o, 0))), 'PUBLIC'), ', ' ORDER BY pg_get_userbyid(o)) FROM unnest(p.polroles) o)",
      using: "pg_get_expr(p.polqual, p.polrelid)",
      "with check": "pg_get_expr(p.polwithcheck, p.polrelid)",
      comment: "obj_description(p.oid, 'pg_policy')",
    },
  }, `${RELATION} JOIN pg_policy p ON p.polrelid = c.oid`, ofUsersIn("pg_policy")),
];
