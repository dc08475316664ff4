/** Settings of a session, by their names in lower case. */
export type Settings = ReadonlyMap<string, string>;

/** What drivers and tools ask for before they begin; `server_version` is told by whoever knows it. */
export const STANDARD_SETTINGS: Readonly<Record<string, string>> = {
  application_name: "",
  bytea_output: "hex",
  client_encoding: "UTF8",
  client_min_messages: "notice",
  datestyle: "ISO, MDY",
  default_transaction_isolation: "read committed",
  default_transaction_read_only: "off",
  extra_float_digits: "1",
  in_hot_standby: "off",
  integer_datetimes: "on",
  intervalstyle: "postgres",
  is_superuser: "off",
  lc_collate: "C",
  lc_messages: "C",
  max_identifier_length: "63",
  max_index_keys: "32",
  search_path: '"$user", public',
  server_encoding: "UTF8",
  standard_conforming_strings: "on",
  statement_timeout: "0",
  timezone: "UTC",
  transaction_isolation: "read committed",
  transaction_read_only: "off",
};

/** As PostgreSQL spells the column of SHOW, where that is not the name in small letters (guc_tables.c). */
export const SPELLINGS: Readonly<Record<string, string>> = { datestyle: "DateStyle", intervalstyle: "IntervalStyle", timezone: "TimeZone" };
