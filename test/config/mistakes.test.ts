import { describe, expect, test } from "vitest";
import { ConfigurationError } from "../../src/config/configuration-error.js";
import { DATABASES, linesOf, loadFiles, loadText, PIPELINE_HEAD, problemsOf } from "./files.js";

/** The text with a mistake in it, and the lines that must be reported: all of them, and no others. */
interface Mistake {
  readonly what: string;
  readonly text: string;
  readonly lines: readonly string[];
}

const VALID = PIPELINE_HEAD + DATABASES;
/** The line at which text appended to VALID begins. */
const NEXT = VALID.split("\n").length;

const after = (what: string, text: string, ...lines: readonly string[]): Mistake => ({
  what,
  text: VALID + text,
  lines: lines.map((line) => line.replace(/^\+(\d+)/u, (_, offset: string) => `p.toml:${NEXT + Number(offset)}`).replaceAll(/@\+(\d+)/gu, (_, offset: string) => `p.toml:${NEXT + Number(offset)}`)),
});
const instead = (what: string, from: string, to: string, ...lines: readonly string[]): Mistake => {
  if (!VALID.includes(from)) throw new Error(`not in the text: ${from}`);
  return { what, text: VALID.replace(from, to), lines };
};
const whole = (what: string, text: string, ...lines: readonly string[]): Mistake => ({ what, text, lines });

const TABLE = `[[sharded_tables]]
database = "prod_2x"
column = "id"
`;

const mistakes: readonly Mistake[] = [
  // TOML itself
  whole("an open string", '[pipeline]\nfrom = "prod', "p.toml:2:8: not valid TOML: unfinished string"),
  whole("a key twice", '[pipeline]\nfrom = "a"\nfrom = "b"\n', "p.toml:3:1: not valid TOML: trying to redefine an already defined table or value"),
  whole("an unquoted password", '[[databases]]\npassword = hunter2\n', "p.toml:2:12: not valid TOML: invalid value"),

  // Sections
  whole("no pipeline section", DATABASES, "p.toml:1:1: the file has no [pipeline] section, expected [pipeline] with from, to and publication"),
  after("an unknown section", "[genral]\n", '+0:1: unknown section "genral", did you mean "general"?'),
  after(
    "a section like no other",
    "[entirely_different]\n",
    '+0:1: unknown section "entirely_different", expected one of pipeline, stages, operators, sources, sinks, tests, databases, users, sharded_tables, sharded_mappings, sharded_schemas, omnisharded_tables, general, replication, cutover',
  ),
  instead("one pair of brackets", '[[databases]]\nname = "prod"\n', '[databases]\nname = "prod"\n', "p.toml:11:3: not valid TOML: trying to redefine an already defined table or value"),
  after("a table for a list", '[users]\nname = "x"\n', '+0:1: "users" is a single table, expected [[users]], with two brackets'),
  after("a list for a table", "[[general]]\n", '+0:1: "general" is a list, expected [general], a table'),
  whole("a key outside of all sections", `publication = "x"\n${VALID}`, 'p.toml:1:1: "publication" stands outside of its section, expected it below [pipeline]'),
  whole("a list of things that are no tables", `users = ["x"]\n${VALID}`, "p.toml:1:10: [[users]] is a string, expected a table"),

  // [pipeline]
  instead("no publication", 'publication = "all_tables"\n', "", 'p.toml:1:1: [pipeline] lacks "publication", expected a string'),
  instead("a misspelt key", "publication", "publicaton", 'p.toml:1:1: [pipeline] lacks "publication", expected a string', 'p.toml:4:1: [pipeline] has no key "publicaton", did you mean "publication"?'),
  instead("an undefined database", 'from = "prod"', 'from = "prdo"', 'p.toml:2:8: no [[databases]] entry defines "prdo", expected one of "prod", "prod_2x", did you mean "prod"?'),
  instead("the same database twice", 'to = "prod_2x"', 'to = "prod"', 'p.toml:3:6: "prod" is both source and destination, expected two databases'),
  instead("a slot name that PostgreSQL refuses", 'publication = "all_tables"', 'publication = "p"\nreplication_slot = "My-Slot"', 'p.toml:5:20: "replication_slot" is "My-Slot", expected 1 to 57 of the characters a-z, 0-9 and _'),
  instead("sequences treated in a way that is none", 'publication = "all_tables"', 'publication = "p"\nsequences = "interleave"', 'p.toml:5:13: "sequences" is "interleave", expected "sharded", "interleaved", "same", did you mean "interleaved"?'),
  instead("an empty name", 'publication = "all_tables"', 'publication = ""', 'p.toml:4:15: "publication" is empty, expected a string that is not empty'),

  // [[stages]]
  after("a stage without a type", '[[stages]]\nphase = "pre"\n', '+0:1: [[stages]] lacks "type", expected "schema_sync", "copy", "replicate", "verify", "cutover", "flow", "command"'),
  after("a stage of no type", '[[stages]]\ntype = "coppy"\n', '+1:8: "type" is "coppy", expected "schema_sync", "copy", "replicate", "verify", "cutover", "flow", "command", did you mean "copy"?'),
  after("a type that is a number", "[[stages]]\ntype = 3\n", '+1:8: "type" is an integer, expected "schema_sync", "copy", "replicate", "verify", "cutover", "flow", "command"'),
  after("a schema sync without a phase", '[[stages]]\ntype = "schema_sync"\n', '+0:1: [[stages]] of type "schema_sync" lacks "phase", expected "pre", "post", "cutover", "post-cutover"'),
  after("a phase that is none", '[[stages]]\ntype = "schema_sync"\nphase = "prae"\n', '+2:9: "phase" is "prae", expected "pre", "post", "cutover", "post-cutover", did you mean "pre"?'),
  after("a phase spelled as elsewhere", '[[stages]]\ntype = "schema_sync"\nphase = "post_cutover"\n', '+2:9: "phase" is "post_cutover", expected "pre", "post", "cutover", "post-cutover", did you mean "post-cutover"?'),
  after("a key of another type", '[[stages]]\ntype = "copy"\nphase = "pre"\n', '+2:1: [[stages]] of type "copy" has no key "phase", expected one of type, operators'),
  after("until that is none", '[[stages]]\ntype = "replicate"\nuntil = "caught_up"\n', '+2:9: "until" is "caught_up", expected "caught-up" or "stopped", did you mean "caught-up"?'),
  whole("no stages at all", `stages = []\n${VALID}`, 'p.toml:1:10: "stages" is empty, expected at least one stage, or none of the key for the standard order'),
  whole("stages that are no tables", `stages = [1, { type = "copy" }]\n${VALID}`, 'p.toml:1:11: an element of "stages" is an integer, expected a table'),

  // [[databases]]
  instead("no host", 'host = "old"\n', "", 'p.toml:6:1: [[databases]] lacks "host", expected a string'),
  instead("a host that is a number", 'host = "old"', "host = 10", 'p.toml:8:8: "host" is an integer, expected a string'),
  instead("a port in quotes", 'host = "old"', 'host = "old"\nport = "5432"', 'p.toml:9:8: "port" is a string, expected a port, from 1 to 65535'),
  instead("a port too high", 'host = "old"', 'host = "old"\nport = 65_536', 'p.toml:9:8: "port" is 65536, expected a port, from 1 to 65535'),
  instead("a port with a fraction", 'host = "old"', 'host = "old"\nport = 1.5', 'p.toml:9:8: "port" is 1.5, expected a port, from 1 to 65535'),
  instead("a port beyond all numbers", 'host = "old"', 'host = "old"\nport = 9007199254740993', 'p.toml:9:8: "port" is an integer, expected a port, from 1 to 65535'),
  instead("a role that is none", 'host = "old"', 'host = "old"\nrole = "primery"', 'p.toml:9:8: "role" is "primery", expected "primary", "replica", "auto", did you mean "primary"?'),
  instead("a boolean in quotes", 'host = "old"', 'host = "old"\nresharding_only = "true"', 'p.toml:9:19: "resharding_only" is a string, expected true or false'),
  instead("an sslmode that is none", 'host = "old"', 'host = "old"\nsslmode = "verify_full"', 'p.toml:9:11: "sslmode" is "verify_full", expected "disable", "prefer", "require", "verify-ca", "verify-full", did you mean "verify-full"?'),
  instead("an unknown key, far from all", 'host = "old"', 'host = "old"\nxyzzy = 1', 'p.toml:9:1: [[databases]] has no key "xyzzy", expected one of name, host, port, shard, role, resharding_only, database_name, user, password, sslmode'),
  instead("a misspelt proxy key", 'host = "old"', 'host = "old"\npool_sice = 1', 'p.toml:9:1: [[databases]] has no key "pool_sice", did you mean "pool_size"?'),
  instead("a gap", "shard = 1", "shard = 2", 'p.toml:19:9: database "prod_2x" has shard 2 but no shard 1, expected shard numbers from 0 without a gap'),
  instead("a wide gap", "shard = 1", "shard = 9", 'p.toml:19:9: database "prod_2x" has shard 9 but no shards 1 to 8, expected shard numbers from 0 without a gap'),
  instead("a first shard that is not 0", 'host = "old"', 'host = "old"\nshard = 1', 'p.toml:9:9: database "prod" has shard 1 but no shard 0, expected shard numbers from 0 without a gap'),
  instead("two primaries", "shard = 1\n", "", 'p.toml:16:1: shard 0 of database "prod_2x" has a second primary; the first is at p.toml:11:1, expected role = "primary" on exactly one, role = "replica" on the others'),
  instead("no primary", 'host = "old"', 'host = "old"\nrole = "replica"', 'p.toml:6:1: shard 0 of database "prod" has no primary, expected one entry with role = "primary"'),
  instead("a primary for resharding only", 'host = "old"', 'host = "old"\nrole = "primary"\nresharding_only = true', 'p.toml:6:1: shard 0 of database "prod" has no primary, expected one entry with role = "primary"', 'p.toml:9:8: a primary cannot be resharding_only, expected role = "replica"'),
  after(
    "two that may be the primary",
    '[[databases]]\nname = "prod_2x"\nhost = "a"\nshard = 2\nrole = "auto"\nuser = "u"\n[[databases]]\nname = "prod_2x"\nhost = "b"\nshard = 2\nrole = "auto"\nuser = "u"\n',
    '+10:8: shard 2 of database "prod_2x" has no primary but a second entry with role = "auto"; the first is at @+0:1, expected role = "primary" on exactly one, role = "replica" on the others',
  ),
  instead("two shards in one place", 'host = "shard-1"', 'host = "shard-0"', 'p.toml:16:1: "shard-0:5432/prod_2x" is already a shard at p.toml:11:1, expected another server, port or database_name for each shard'),
  instead("a destination that is the source", 'host = "shard-1"', 'host = "old"\ndatabase_name = "prod"', 'p.toml:16:1: "old:5432/prod" is already a shard at p.toml:6:1, expected another server, port or database_name for each shard'),

  // [[users]]
  instead("nobody to connect as", 'host = "old"\nuser = "postgres"', 'host = "old"', 'p.toml:6:1: no user is configured for database "prod", expected one [[users]] entry for "prod" with schema_admin = true, or user and password here'),
  {
    ...instead("no schema administrator", 'host = "old"\nuser = "postgres"', 'host = "old"\n[[users]]\nname = "app"\ndatabase = "prod"\n'),
    lines: ['p.toml:9:1: no user of database "prod" is its schema administrator, expected schema_admin = true on exactly one of them'],
  },
  {
    ...instead("two schema administrators", 'host = "old"\nuser = "postgres"', 'host = "old"\n[[users]]\nname = "a"\ndatabases = ["prod"]\nschema_admin = true\n[[users]]\nname = "b"\nall_databases = true\nschema_admin = true\n'),
    lines: ['p.toml:16:16: a second schema administrator of database "prod"; the first is at p.toml:12:16, expected schema_admin = true on exactly one of them'],
  },
  {
    ...instead("a login without a password", 'host = "old"\nuser = "postgres"', 'host = "old"\n[[users]]\nname = "a"\ndatabase = "prod"\nschema_admin = true\nserver_auth = "rds_iam"\n'),
    lines: ['p.toml:13:15: server_auth = "rds_iam" is not supported, expected a schema_admin of "prod" that logs in with a password'],
  },
  after("a user of an undefined database", '[[users]]\nname = "a"\ndatabase = "prod_x2"\n', '+2:12: no [[databases]] entry defines "prod_x2", expected one of "prod", "prod_2x", did you mean "prod_2x"?'),
  after("one of several undefined", '[[users]]\nname = "a"\ndatabases = ["prod", "staging"]\n', '+2:22: no [[databases]] entry defines "staging", expected one of "prod", "prod_2x"'),
  after("a password that is a number", '[[users]]\nname = "a"\ndatabase = "prod"\npassword = 123456\n', '+3:12: "password" is an integer, expected a string'),

  // [[sharded_tables]]
  after("a table of an undefined database", '[[sharded_tables]]\ndatabase = "pord"\ncolumn = "id"\n', '+1:12: no [[databases]] entry defines "pord", expected one of "prod", "prod_2x", did you mean "prod"?'),
  after("no column", '[[sharded_tables]]\ndatabase = "prod_2x"\n', '+0:1: [[sharded_tables]] lacks "column", expected a string'),
  after("name and table", `${TABLE}name = "a"\ntable = "a"\n`, "+4:9: both name and table are given: they are the same key, expected one of them"),
  after("a data type that is none", `${TABLE}data_type = "bigin"\n`, '+3:13: "data_type" is "bigin", expected "bigint", "uuid", "varchar", "vector", did you mean "bigint"?'),
  after("vectors", `${TABLE}data_type = "vector"\ncentroids = [[1.0]]\n`, '+3:13: sharding by vector is not supported, expected "bigint", "uuid" or "varchar"', "+4:13: centroids is not supported, expected a column of type bigint, uuid or varchar, without it"),
  after("a lookup", `${TABLE}lookup_query = "SELECT 1"\n`, "+3:16: lookup_query is not supported, expected a column that holds the sharding key itself, or a mapping"),
  after("NULL keys everywhere", `${TABLE}broadcast_null = true\n`, "+3:18: broadcast_null is not supported: a row with a NULL key goes to the default shard or is refused, expected it to be left out"),
  after("a hasher that is none", `${TABLE}hasher = "sha256"\n`, '+3:10: "hasher" is "sha256", expected "postgres" or "sha1"'),
  after("the same entry twice", `${TABLE}${TABLE}`, "+3:1: this [[sharded_tables]] entry is already at @+0:1, expected one entry for it"),

  // mapping
  after("a shard that is none", `${TABLE}mapping = [{ values = [1], shard = 2 }]\n`, '+3:36: database "prod_2x" has no shard 2, expected a shard from 0 to 1'),
  after("a mapping without a shard", `${TABLE}mapping = [{ values = [1] }]\n`, '+3:12: mapping lacks "shard", expected a shard number, from 0'),
  after("an unknown key in a mapping", `${TABLE}[[sharded_tables.mapping]]\nvalue = [1]\nshard = 0\n`, '+4:1: mapping has no key "value", did you mean "values"?'),
  after("a mapping that is no table", `${TABLE}mapping = [1]\n`, "+3:12: mapping is an integer, expected a table"),
  after("text for a bigint", `${TABLE}mapping = [{ values = [1, "2"], shard = 0 }]\n`, '+3:27: the value "2" does not fit the column, expected an integer, because data_type is bigint'),
  after("an integer for text", `${TABLE}data_type = "varchar"\nmapping = [{ start = 1, end = "b", shard = 0 }]\n`, "+4:22: the value 1 does not fit the column, expected a string, because data_type is varchar"),
  after("no UUID", `${TABLE}data_type = "uuid"\nmapping = [{ values = ["0197a9b4"], shard = 0 }]\n`, '+4:24: the value "0197a9b4" does not fit the column, expected a UUID of 36 characters, because data_type is uuid'),
  after("an integer of more than 64 bits", `${TABLE}mapping = [{ values = [9223372036854775808], shard = 0 }]\n`, '+3:24: an element of "values" is 9223372036854775808, expected a string or a 64-bit integer'),
  after("no values", `${TABLE}mapping = [{ values = [], shard = 0 }]\n`, '+3:23: "values" is an empty list, expected at least one value'),
  after("values and a start", `${TABLE}mapping = [{ values = [1], start = 1, shard = 0 }]\n`, "+3:12: a mapping has both values and start or end, expected values for a list, or start and end for a range"),
  after("an empty range", `${TABLE}mapping = [{ start = 5, end = 5, shard = 0 }]\n`, "+3:31: the range is empty: its end is not above its start, expected a value above 5"),
  after("a value twice", `${TABLE}mapping = [{ values = [1, 2], shard = 0 },\n  { values = [3, 1], shard = 1 }]\n`, "+4:18: 1 is already listed at @+3:24, expected each value once"),
  after("a UUID twice in other letters", `${TABLE}data_type = "uuid"\nmapping = [{ values = ["0197A9B4-0000-7000-8000-000000000000", "0197a9b4-0000-7000-8000-000000000000"], shard = 0 }]\n`, '+4:64: "0197a9b4-0000-7000-8000-000000000000" is already listed at @+4:24, expected each value once'),
  after("two ranges that overlap", `${TABLE}mapping = [\n  { start = 10, shard = 0 },\n  { start = 0, end = 11, shard = 1 },\n]\n`, "+5:3: this range overlaps the one at @+4:3, expected ranges that do not overlap (the start is included, the end is not)"),
  after("a range within another", `${TABLE}mapping = [{ end = 100, shard = 0 }, { start = 5, end = 6, shard = 1 }, { start = 7, end = 9, shard = 1 }]\n`, "+3:38: this range overlaps the one at @+3:12, expected ranges that do not overlap (the start is included, the end is not)", "+3:73: this range overlaps the one at @+3:12, expected ranges that do not overlap (the start is included, the end is not)"),
  after("two defaults", `${TABLE}mapping = [{ shard = 0 }, { shard = 1 }]\n`, "+3:27: a second default; the first is at @+3:12, expected one default at most"),

  // [[sharded_mappings]]
  after("a mapping of no table", '[[sharded_mappings]]\ndatabase = "prod_2x"\ncolumn = "id"\ntable = "users"\nkind = "default"\nshard = 0\n', '+0:1: this mapping belongs to no sharded table, expected a [[sharded_tables]] entry with name = "users", database = "prod_2x" and column = "id"'),
  after("a kind that is none", `${TABLE}[[sharded_mappings]]\ndatabase = "prod_2x"\ncolumn = "id"\nkind = "lists"\nshard = 0\n`, '+6:8: "kind" is "lists", expected "list", "range", "default", did you mean "list"?'),
  after("a kind that does not fit", `${TABLE}[[sharded_mappings]]\ndatabase = "prod_2x"\ncolumn = "id"\nkind = "range"\nvalues = [1]\nshard = 0\n`, '+6:8: kind = "range" does not fit the other keys, expected start, end or both for it'),
  after("a shard that is none, in the old form", `${TABLE}[[sharded_mappings]]\ndatabase = "prod_2x"\ncolumn = "id"\nkind = "default"\nshard = 7\n`, '+7:9: database "prod_2x" has no shard 7, expected a shard from 0 to 1'),

  // [[sharded_schemas]], [[omnisharded_tables]]
  after("a schema on a shard that is none", '[[sharded_schemas]]\ndatabase = "prod"\nname = "a"\nshard = 1\n', '+3:9: database "prod" has no shard 1, expected shard 0, its only one'),
  after("a schema twice", '[[sharded_schemas]]\ndatabase = "prod_2x"\nname = "a"\n[[sharded_schemas]]\ndatabase = "prod_2x"\nname = "a"\nshard = 1\n', '+3:1: the schema "a" is already at @+0:1, expected one entry for it'),
  after("omnisharded and sharded", `${TABLE}name = "users"\n[[omnisharded_tables]]\ndatabase = "prod_2x"\ntables = ["countries", "users"]\n`, '+6:24: table "users" has a sharding rule at @+0:1, expected either the one or the other'),
  after("tables that are a string", '[[omnisharded_tables]]\ndatabase = "prod_2x"\ntables = "countries"\n', '+2:10: "tables" is a string, expected a list of table names'),
  after("a table that is a number", '[[omnisharded_tables]]\ndatabase = "prod_2x"\ntables = ["a", 2]\n', '+2:16: an element of "tables" is an integer, expected a string'),

  // [general], [replication]
  after("no copies", "[general]\nresharding_parallel_copies = 0\n", '+1:30: "resharding_parallel_copies" is 0, expected a number of copies, from 1 to 1024'),
  after("a treatment of keys that is none", '[general]\ninteger_primary_keys = "big"\n', '+1:24: "integer_primary_keys" is "big", expected "bigint" or "keep", did you mean "bigint"?'),
  after("a format that is none", '[general]\nresharding_copy_format = "bin"\n', '+1:26: "resharding_copy_format" is "bin", expected "binary" or "text", did you mean "binary"?'),
  after("no builds", "[general]\nresharding_parallel_index_builds = 0\n", '+1:36: "resharding_parallel_index_builds" is 0, expected a number of builds, from 1 to 64'),
  ...["1GiB", "1023kB", "2048GB", "512", "many", "1 000MB"].map((size) =>
    after(`memory of ${size}`, `[general]\nresharding_maintenance_work_mem = "${size}"\n`, `+1:35: "resharding_maintenance_work_mem" is "${size}", expected an amount of memory as PostgreSQL writes it, such as "512MB", from 1MB to 2047GB`),
  ),
  after("an unknown setting", "[general]\nresharding_paralel_copies = 2\n", '+1:1: [general] has no key "resharding_paralel_copies", did you mean "resharding_parallel_copies"?'),
  after("an unknown key for pg_dump", '[replication]\npg_dumb_path = "x"\n', '+1:1: [replication] has no key "pg_dumb_path", did you mean "pg_dump_path"?'),
];

describe("each mistake is reported with its place, and nothing else is", () => {
  test("the text they are made from is valid", () => {
    expect(loadText(VALID).to.shards).toHaveLength(2);
  });

  test.each(mistakes)("$what", ({ text, lines }) => {
    expect(linesOf(() => loadText(text))).toEqual(lines);
  });
});

test("several mistakes are reported in one go, from top to bottom, file by file", () => {
  const config = `[[databases]]
name = "prod"
hots = "old"
port = 0

[[databases]]
name = "prod_2x"
host = "a"
shard = 3

[[sharded_tables]]
database = "prod_2x"
colum = "id"
`;
  const users = `[[users]]
name = "migrator"
databse = "prod_2x"
schema_admin = "yes"
`;
  expect(linesOf(() => loadFiles({ "pgdog.toml": config, "users.toml": users }, { from: "production", to: "prod_2x", slot: "Slot" }))).toEqual([
    "--replication-slot: the name cannot be that of a slot, expected 1 to 57 of the characters a-z, 0-9 and _",
    'pgdog.toml:1:1: [[databases]] lacks "host", expected a string',
    'pgdog.toml:3:1: [[databases]] has no key "hots", did you mean "host"?',
    'pgdog.toml:4:8: "port" is 0, expected a port, from 1 to 65535',
    'pgdog.toml:9:9: database "prod_2x" has shard 3 but no shards 0 to 2, expected shard numbers from 0 without a gap',
    'pgdog.toml:11:1: [[sharded_tables]] lacks "column", expected a string',
    'pgdog.toml:13:1: [[sharded_tables]] has no key "colum", did you mean "column"?',
    'users.toml:3:1: [[users]] has no key "databse", did you mean "database"?',
    'users.toml:4:16: "schema_admin" is a string, expected true or false',
    '--from-database: no [[databases]] entry defines "production", expected one of "prod", "prod_2x"',
  ]);
});

test("what a broken entry may hold is not reported as missing", () => {
  // The broken entry could be shard 0; only its own mistake counts.
  const text = `${PIPELINE_HEAD}[[databases]]\nname = "prod"\nhost = "a"\nuser = "u"\n[[databases]]\nname = "prod_2x"\nhost = "b"\nprot = 1\nuser = "u"\n[[databases]]\nname = "prod_2x"\nhost = "c"\nuser = "u"\nshard = 1\n`;
  expect(linesOf(() => loadText(text))).toEqual(['p.toml:12:1: [[databases]] has no key "prot", did you mean "port"?']);
});

test("the error carries code, remedy, place and every problem in its message", () => {
  let caught: unknown;
  try {
    loadText(VALID.replace("publication", "publicaton"));
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(ConfigurationError);
  expect(caught).toMatchObject({
    code: "CONFIGURATION",
    kind: "operator",
    place: { file: "p.toml", line: 1, column: 1 },
    message: '2 mistakes in the configuration:\n  p.toml:1:1: [pipeline] lacks "publication", expected a string\n  p.toml:4:1: [pipeline] has no key "publicaton", did you mean "publication"?',
    problems: [
      { file: "p.toml", line: 1, column: 1, code: "MISSING", message: '[pipeline] lacks "publication"', expected: "a string" },
      { file: "p.toml", line: 4, column: 1, code: "UNKNOWN_KEY", message: '[pipeline] has no key "publicaton"', suggestion: "publication" },
    ],
  });
});

test.each([
  ["a wrong type beside it", 'password = "hunter2"\nport = "x"'],
  ["as a number", "password = 7712345"],
  ["as a list", 'password = ["hunter2"]'],
  ["unquoted", "password = hunter2"],
  ["an open string", 'password = "hunter2'],
  ["under a misspelt key", 'pasword = "hunter2"'],
  ["with a broken substitution", 'password = "hunter2${"'],
  ["before an error on the same line", 'host = "a", password = "hunter2"'],
])("a password never shows in an error: %s", (_, lines) => {
  const text = VALID.replace('host = "old"\n', `host = "old"\n${lines}\n`);
  const problems = problemsOf(() => loadText(text));
  expect(problems.length).toBeGreaterThan(0);
  expect(new ConfigurationError(problems).message).not.toMatch(/hunter2|7712345/u);
});
