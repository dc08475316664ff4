import type pg from "pg";
import { ofUser, ofUsersIn } from "./catalog-sql.js";

/** Catalogs of what lies in schemas, and their columns with the schema. */
const IN_SCHEMAS: Readonly<Record<string, string>> = {
  pg_class: "relnamespace", pg_type: "typnamespace", pg_proc: "pronamespace", pg_operator: "oprnamespace", pg_opclass: "opcnamespace", pg_opfamily: "opfnamespace", pg_collation: "collnamespace",
  pg_conversion: "connamespace", pg_ts_config: "cfgnamespace", pg_ts_dict: "dictnamespace", pg_ts_parser: "prsnamespace", pg_ts_template: "tmplnamespace",
};
/** Of what does not, and belongs to nothing that does. */
const OUTSIDE = ["pg_extension", "pg_am", "pg_foreign_data_wrapper", "pg_foreign_server", "pg_event_trigger", "pg_publication", "pg_default_acl", "pg_cast", "pg_transform", "pg_language"];

const SOME = [
  `pg_namespace n WHERE ${ofUser()} AND nspname <> 'public'`,
  ...Object.entries(IN_SCHEMAS).map(([catalog, schema]) => `${ofUsersIn(catalog)} AND ${schema} IN (SELECT n.oid FROM pg_namespace n WHERE ${ofUser()})`),
  ...OUTSIDE.map((catalog) => ofUsersIn(catalog)),
];

/** Whether a database has anything of its users' that a phase of the schema could take for its own. Our own bookkeeping does not count. */
export async function hasObjects(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ has: boolean }>({ name: "has objects", text: `SELECT ${SOME.map((some) => `EXISTS (SELECT FROM ${some})`).join(" OR ")} AS has` });
  return rows[0]!.has;
}
