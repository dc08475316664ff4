import { belongings, catalogStatement, type CatalogStatement, FIRST_USER_OID, flag, grantsOf, ofUser, ofUsersIn, ownObject, routine, sometimes } from "./catalog-sql.js";

/** What lives outside schemas, and extended statistics. */
export const databaseStatements: readonly CatalogStatement[] = [
  catalogStatement({ kind: "'schema'", name: "n.nspname", properties: belongings("pg_namespace", "n", { owner: "nspowner", acl: "nspacl", type: "n" }) },
    `pg_namespace n WHERE ${ofUser()} AND ${ownObject("pg_namespace", "n.oid")}`),
  catalogStatement({
    kind: "'extension'",
    name: "x.extname",
    properties: { version: "x.extversion", schema: "x.extnamespace::regnamespace", ...belongings("pg_extension", "x", {}) },
  }, "pg_extension x"),
  catalogStatement({
    kind: "'access method'",
    name: "a.amname",
    properties: { type: "a.amtype", handler: routine("a.amhandler"), ...belongings("pg_am", "a", {}) },
  }, `pg_am a WHERE a.oid >= ${FIRST_USER_OID} AND ${ownObject("pg_am", "a.oid")}`, ofUsersIn("pg_am")),
  catalogStatement({
    kind: "'foreign data wrapper'",
    name: "w.fdwname",
    properties: { handler: routine("w.fdwhandler"), validator: routine("w.fdwvalidator"), ...belongings("pg_foreign_data_wrapper", "w", { owner: "fdwowner", acl: "fdwacl", type: "F" }) },
  }, `pg_foreign_data_wrapper w WHERE ${ownObject("pg_foreign_data_wrapper", "w.oid")}`, ofUsersIn("pg_foreign_data_wrapper")),
  catalogStatement({
    kind: "'foreign server'",
    name: "s.srvname",
    properties: { wrapper: "(SELECT fdwname FROM pg_foreign_data_wrapper WHERE oid = s.srvfdw)", ...belongings("pg_foreign_server", "s", { owner: "srvowner", acl: "srvacl", type: "S" }) },
  }, `pg_foreign_server s WHERE ${ownObject("pg_foreign_server", "s.oid")}`, ofUsersIn("pg_foreign_server")),
  catalogStatement({
    kind: "'event trigger'",
    name: "e.evtname",
    properties: {
      event: "e.evtevent",
      function: routine("e.evtfoid"),
      tags: "array_to_string(e.evttags, ', ')",
      fires: "CASE e.evtenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END",
      ...belongings("pg_event_trigger", "e", { owner: "evtowner" }),
    },
  }, `pg_event_trigger e WHERE ${ownObject("pg_event_trigger", "e.oid")}`, ofUsersIn("pg_event_trigger")),
  // The connection string is for superusers' eyes only, and no business of a comparison.
  catalogStatement({ kind: "'subscription'", name: "u.subname", properties: {} }, "(SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) u"),
  catalogStatement({
    kind: "'publication'",
    name: "p.pubname",
    properties: {
      "all tables": flag("p.puballtables"),
      publish: "concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)",
      "via root": flag("p.pubviaroot"),
      // Since 18: n, the default, and s.
      "generated columns": `nullif(${sometimes("p", "pubgencols")}, 'n')`,
      ...belongings("pg_publication", "p", { owner: "pubowner" }),
    },
  }, "pg_publication p", ofUsersIn("pg_publication")),
  catalogStatement({
    kind: "'published table'",
    owner: "p.pubname",
    name: "r.prrelid::regclass",
    properties: {
      columns: "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))",
      rows: "pg_get_expr(r.prqual, r.prrelid)",
    },
  }, "pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid", ofUsersIn("pg_publication_rel")),
  catalogStatement({ kind: "'published schema'", owner: "p.pubname", name: "n.nspname", properties: {} },
    "pg_publication_namespace r JOIN pg_publication p ON p.oid = r.pnpubid JOIN pg_namespace n ON n.oid = r.pnnspid", ofUsersIn("pg_publication_namespace")),
  catalogStatement({
    kind: "'default privileges'",
    schema: "coalesce(n.nspname, '')",
    name: "pg_get_userbyid(d.defaclrole)",
    signature: "jsonb_build_object('r', 'tables', 'S', 'sequences', 'f', 'functions', 'T', 'types', 'n', 'schemas', 'L', 'large objects') ->> d.defaclobjtype::text",
    properties: { grants: grantsOf("d.defaclacl") },
  }, "pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace", ofUsersIn("pg_default_acl")),
  catalogStatement({
    kind: "'statistics'",
    schema: "n.nspname",
    name: "s.stxname",
    uses: "(SELECT jsonb_build_array(jsonb_build_object('schema', m.nspname, 'name', c.relname)) FROM pg_class c JOIN pg_namespace m ON m.oid = c.relnamespace WHERE c.oid = s.stxrelid)",
    properties: { definition: "pg_get_statisticsobjdef(s.oid)", target: "nullif(s.stxstattarget, -1)", ...belongings("pg_statistic_ext", "s", { owner: "stxowner" }) },
  }, `pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace AND ${ofUser()} AND ${ownObject("pg_statistic_ext", "s.oid")}`, ofUsersIn("pg_statistic_ext")),
];
