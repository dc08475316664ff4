import { belongings, catalogStatement, type CatalogStatement, flag, ofUser, ofUsersIn, ownObject, routine, sometimes } from "./catalog-sql.js";

const TYPE = `pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace AND ${ofUser()} AND ${ownObject("pg_type", "t.oid")}`;
/** Not the row types of tables, which come with them, nor the array and multirange types that come with others. */
const OWN_TYPE = `t.typtype IN ('e', 'c', 'r', 'b', 'p') AND (t.typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = t.typrelid) = 'c') AND NOT EXISTS (SELECT FROM pg_type a WHERE a.typarray = t.oid)`;
const DOMAINS = ofUsersIn("pg_type", "typtype = 'd'");
const NAMED = { schema: "n.nspname", name: "t.typname" };
const collation = (oid: string): string => `nullif(${oid}, 0)::regcollation`;
const type = belongings("pg_type", "t", { owner: "typowner", acl: "typacl", type: "T" });

/** Types, domains and collations. */
export const typeStatements: readonly CatalogStatement[] = [
  catalogStatement({
    kind: "'type'",
    ...NAMED,
    properties: {
      form: "CASE WHEN NOT t.typisdefined THEN 'shell' ELSE jsonb_build_object('e', 'enum', 'c', 'composite', 'r', 'range') ->> t.typtype::text END",
      labels: "(SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)",
      attributes: `(SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> u.typcollation THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END
        || coalesce(' -- ' || col_description(a.attrelid, a.attnum), ''), ', ' ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type u ON u.oid = a.atttypid WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)`,
      range: `(SELECT concat_ws(', ', r.rngsubtype::regtype, 'class ' || (SELECT opcname FROM pg_opclass WHERE oid = r.rngsubopc), ${collation("r.rngcollation")}, ${routine("r.rngcanonical")}, ${routine("r.rngsubdiff")}, r.rngmultitypid::regtype) FROM pg_range r WHERE r.rngtypid = t.oid)`,
      base: `CASE WHEN t.typtype = 'b' THEN concat_ws(', ', ${["typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze"].map((column) => routine(`t.${column}`)).join(", ")},
        t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory, t.typispreferred, t.typdelim, t.typdefault, nullif(t.typelem, 0)::regtype) END`,
      ...type,
    },
  }, `${TYPE} WHERE ${OWN_TYPE}`, ofUsersIn("pg_type t", OWN_TYPE)),
  catalogStatement({
    kind: "'domain'",
    ...NAMED,
    properties: {
      type: "format_type(t.typbasetype, t.typtypmod)",
      "not null": flag("t.typnotnull"),
      default: "t.typdefault",
      collation: `CASE WHEN t.typcollation <> b.typcollation THEN ${collation("t.typcollation")} END`,
      ...type,
    },
  }, `${TYPE} JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtype = 'd'`, DOMAINS),
  catalogStatement({
    kind: "'check constraint'",
    schema: "n.nspname",
    owner: "t.typname",
    name: "k.conname",
    properties: { definition: "pg_get_constraintdef(k.oid)", comment: "obj_description(k.oid, 'pg_constraint')" },
  }, `${TYPE} JOIN pg_constraint k ON k.contypid = t.oid AND k.contype = 'c'`, DOMAINS),
  catalogStatement({
    kind: "'collation'",
    schema: "n.nspname",
    name: "o.collname",
    properties: {
      provider: "jsonb_build_object('c', 'libc', 'i', 'icu', 'b', 'builtin', 'd', 'default') ->> o.collprovider::text",
      nondeterministic: flag("NOT o.collisdeterministic"),
      // Called colliculocale before 17.
      locale: `concat_ws(', ', o.collcollate, o.collctype, ${sometimes("o", "colliculocale")}, ${sometimes("o", "colllocale")})`,
      rules: sometimes("o", "collicurules"),
      ...belongings("pg_collation", "o", { owner: "collowner" }),
    },
  }, `pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace AND ${ofUser()} AND ${ownObject("pg_collation", "o.oid")}`, ofUsersIn("pg_collation")),
];
