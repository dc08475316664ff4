import { belongings, catalogStatement, type CatalogStatement, FIRST_USER_OID, flag, ofUser, ofUsersIn, ownObject, routine } from "./catalog-sql.js";

const inSchema = (catalog: string, alias: string, namespace: string): string =>
  `${catalog} ${alias} JOIN pg_namespace n ON n.oid = ${alias}.${namespace} AND ${ofUser()} AND ${ownObject(catalog, `${alias}.oid`)}`;

/** What another object did not bring with it. */
const notWithin = (catalog: string, oid: string): string => `NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = '${catalog}'::regclass AND i.objid = ${oid} AND i.deptype = 'i')`;

/** Functions, procedures and aggregates, and what is made of them: operators, casts, conversions, languages. */
export const routineStatements: readonly CatalogStatement[] = [
  catalogStatement({
    kind: "coalesce(jsonb_build_object('a', 'aggregate', 'p', 'procedure') ->> p.prokind::text, 'function')",
    schema: "n.nspname",
    name: "p.proname",
    signature: "pg_get_function_identity_arguments(p.oid)",
    properties: {
      definition: `CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE (SELECT format('%s RETURNS %s ', pg_get_function_arguments(p.oid), p.prorettype::regtype)
        || concat_ws(', ', a.aggkind, a.aggnumdirectargs, ${["aggtransfn", "aggfinalfn", "aggcombinefn", "aggserialfn", "aggdeserialfn", "aggmtransfn", "aggminvtransfn", "aggmfinalfn"].map((column) => routine(`a.${column}`)).join(", ")},
        a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify, a.aggmfinalmodify, nullif(a.aggsortop, 0)::regoperator, a.aggtranstype::regtype, a.aggtransspace, nullif(a.aggmtranstype, 0)::regtype, a.aggmtransspace, a.agginitval, a.aggminitval, p.proparallel)
        FROM pg_aggregate a WHERE a.aggfnoid = p.oid) END`,
      ...belongings("pg_proc", "p", { owner: "proowner", acl: "proacl", type: "f" }),
    },
    // A range type brings its constructors.
  }, `${inSchema("pg_proc", "p", "pronamespace")} WHERE ${notWithin("pg_proc", "p.oid")}`, ofUsersIn("pg_proc")),
  catalogStatement({
    kind: "'operator'",
    schema: "n.nspname",
    name: "o.oprname",
    signature: "concat_ws(', ', coalesce(nullif(o.oprleft, 0)::regtype::text, 'none'), o.oprright::regtype)",
    properties: {
      function: routine("o.oprcode"),
      commutator: "nullif(o.oprcom, 0)::regoperator",
      negator: "nullif(o.oprnegate, 0)::regoperator",
      restrict: routine("o.oprrest"),
      join: routine("o.oprjoin"),
      uses: "concat_ws(', ', CASE WHEN o.oprcanhash THEN 'hash' END, CASE WHEN o.oprcanmerge THEN 'merge' END)",
      ...belongings("pg_operator", "o", { owner: "oprowner" }),
    },
  }, inSchema("pg_operator", "o", "oprnamespace"), ofUsersIn("pg_operator")),
  catalogStatement({
    kind: "'operator class'",
    schema: "n.nspname",
    name: "o.opcname",
    signature: "(SELECT amname FROM pg_am WHERE oid = o.opcmethod)",
    properties: {
      type: "o.opcintype::regtype",
      default: flag("o.opcdefault"),
      key: "nullif(o.opckeytype, 0)::regtype",
      family: "(SELECT s.nspname || '.' || opfname FROM pg_opfamily JOIN pg_namespace s ON s.oid = opfnamespace WHERE pg_opfamily.oid = o.opcfamily)",
      ...belongings("pg_opclass", "o", { owner: "opcowner" }),
    },
  }, inSchema("pg_opclass", "o", "opcnamespace"), ofUsersIn("pg_opclass")),
  catalogStatement({
    kind: "'operator family'",
    schema: "n.nspname",
    name: "f.opfname",
    signature: "(SELECT amname FROM pg_am WHERE oid = f.opfmethod)",
    properties: {
      operators: "(SELECT string_agg(amopstrategy || ' ' || amopopr::regoperator, ', ' ORDER BY amopstrategy, amopopr::regoperator::text) FROM pg_amop WHERE amopfamily = f.oid)",
      functions: `(SELECT string_agg(amprocnum || ' ' || amproclefttype::regtype || ' ' || amprocrighttype::regtype || ' ' || ${routine("amproc")}, ', ' ORDER BY amprocnum, amproclefttype::regtype::text, amprocrighttype::regtype::text) FROM pg_amproc WHERE amprocfamily = f.oid)`,
      ...belongings("pg_opfamily", "f", { owner: "opfowner" }),
    },
  }, inSchema("pg_opfamily", "f", "opfnamespace"), ofUsersIn("pg_opfamily")),
  catalogStatement({
    kind: "'cast'",
    name: "k.castsource::regtype || ' to ' || k.casttarget::regtype",
    properties: { function: routine("k.castfunc"), context: "k.castcontext", method: "k.castmethod", ...belongings("pg_cast", "k", {}) },
    // Those from a range to its multirange come with the range.
  }, `pg_cast k WHERE k.oid >= ${FIRST_USER_OID} AND ${ownObject("pg_cast", "k.oid")} AND ${notWithin("pg_cast", "k.oid")}`, ofUsersIn("pg_cast")),
  catalogStatement({
    kind: "'transform'",
    name: "t.trftype::regtype || ' for ' || (SELECT lanname FROM pg_language WHERE oid = t.trflang)",
    properties: { "from sql": routine("t.trffromsql"), "to sql": routine("t.trftosql"), ...belongings("pg_transform", "t", {}) },
  }, `pg_transform t WHERE ${ownObject("pg_transform", "t.oid")}`, ofUsersIn("pg_transform")),
  catalogStatement({
    kind: "'conversion'",
    schema: "n.nspname",
    name: "v.conname",
    properties: {
      definition: `concat_ws(', ', pg_encoding_to_char(v.conforencoding), pg_encoding_to_char(v.contoencoding), ${routine("v.conproc")})`,
      default: flag("v.condefault"),
      ...belongings("pg_conversion", "v", { owner: "conowner" }),
    },
  }, inSchema("pg_conversion", "v", "connamespace"), ofUsersIn("pg_conversion")),
  catalogStatement({
    kind: "'language'",
    name: "l.lanname",
    properties: {
      functions: `concat_ws(', ', ${routine("l.lanplcallfoid")}, ${routine("l.laninline")}, ${routine("l.lanvalidator")})`,
      trusted: flag("l.lanpltrusted"),
      ...belongings("pg_language", "l", { owner: "lanowner", acl: "lanacl", type: "l" }),
    },
  }, `pg_language l WHERE l.lanispl AND ${ownObject("pg_language", "l.oid")}`, ofUsersIn("pg_language")),
];
