import { belongings, type CatalogStatement, catalogStatement, ofUser, ofUsersIn, ownObject, routine } from "./catalog-sql.js";

const inSchema = (catalog: string, alias: string, namespace: string): string =>
  `${catalog} ${alias} JOIN pg_namespace n ON n.oid = ${alias}.${namespace} AND ${ofUser()} AND ${ownObject(catalog, `${alias}.oid`)}`;

/** Text search objects. */
export const textSearchStatements: readonly CatalogStatement[] = [
  catalogStatement({
    kind: "'text search configuration'",
    schema: "n.nspname",
    name: "c.cfgname",
    properties: {
      parser: "(SELECT prsname FROM pg_ts_parser WHERE oid = c.cfgparser)",
      mappings: `(SELECT string_agg(token || ': ' || dictionaries, '; ' ORDER BY token) FROM (
        SELECT y.alias AS token, string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno) AS dictionaries
          FROM pg_ts_config_map m JOIN ts_token_type(c.cfgparser) y ON y.tokid = m.maptokentype WHERE m.mapcfg = c.oid GROUP BY y.alias) x)`,
      ...belongings("pg_ts_config", "c", { owner: "cfgowner" }),
    },
  }, inSchema("pg_ts_config", "c", "cfgnamespace"), ofUsersIn("pg_ts_config")),
  catalogStatement({
    kind: "'text search dictionary'",
    schema: "n.nspname",
    name: "d.dictname",
    properties: {
      template: "(SELECT tmplname FROM pg_ts_template WHERE oid = d.dicttemplate)",
      options: "d.dictinitoption",
      ...belongings("pg_ts_dict", "d", { owner: "dictowner" }),
    },
  }, inSchema("pg_ts_dict", "d", "dictnamespace"), ofUsersIn("pg_ts_dict")),
  catalogStatement({
    kind: "'text search parser'",
    schema: "n.nspname",
    name: "p.prsname",
    properties: { functions: `concat_ws(', ', ${["prsstart", "prstoken", "prsend", "prsheadline", "prslextype"].map((column) => routine(`p.${column}`)).join(", ")})`, ...belongings("pg_ts_parser", "p", {}) },
  }, inSchema("pg_ts_parser", "p", "prsnamespace"), ofUsersIn("pg_ts_parser")),
  catalogStatement({
    kind: "'text search template'",
    schema: "n.nspname",
    name: "t.tmplname",
    properties: { functions: `concat_ws(', ', ${routine("t.tmplinit")}, ${routine("t.tmpllexize")})`, ...belongings("pg_ts_template", "t", {}) },
  }, inSchema("pg_ts_template", "t", "tmplnamespace"), ofUsersIn("pg_ts_template")),
];
