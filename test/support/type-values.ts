import { createHash } from "node:crypto";

/*
 * Every type that a column can have, each with values that are hard on something: ends of ranges, infinities, what is
 * empty, what looks like NULL or an escape, what is stored out of line. In the types' own input syntax.
 */

export interface TypedColumn {
  /** SQL of the type; the column's name too. */
  readonly type: string;
  readonly values: readonly string[];
  /** A domain that forbids it. */
  readonly notNull?: boolean;
}

/** Text that is too long for its row, and does not compress. */
function long(seed: string, bytes: number): string {
  let text = "";
  for (let part = 0; text.length < bytes; part++) text += createHash("sha256").update(`${seed} ${part}`).digest("base64");
  return text.slice(0, bytes);
}

const ODD_TEXTS = ["", " ", "\\N", "\\.", "\\\\", "NULL", 'ä€😀\t\\t\r\n\b\f\v"quoted" \'too\' {a,b} (c,d)', "\u0001\u007f\ufeff\uffff"];

/** By `pg_type.typname`. */
const BASE_TYPES: Readonly<Record<string, readonly string[]>> = {
  bool: ["t", "f"],
  int2: ["0", "-1", "-32768", "32767"],
  int4: ["0", "-1", "-2147483648", "2147483647"],
  int8: ["0", "-1", "-9223372036854775808", "9223372036854775807"],
  float4: ["0", "-0", "NaN", "Infinity", "-Infinity", "3.4028235e+38", "-1e-45", "0.1"],
  float8: ["0", "-0", "NaN", "Infinity", "-Infinity", "1.7976931348623157e+308", "-5e-324", "0.1"],
  numeric: ["0", "0.00", "NaN", "Infinity", "-Infinity", "-1e-1000", "1e1000", "1.10", "12345678901234567890123456789.0987654321"],
  money: ["$0.00", "-$92,233,720,368,547,758.08", "$92,233,720,368,547,758.07"],
  oid: ["0", "4294967295"],
  text: [...ODD_TEXTS, long("text", 20_000)],
  varchar: [...ODD_TEXTS, long("varchar", 9000)],
  bpchar: [...ODD_TEXTS, "trailing  ", long("bpchar", 9000)],
  char: ["", "a", "\\", "\\001", "\\200", "\\377"],
  name: [...ODD_TEXTS, "x".repeat(63)],
  bytea: ["\\x", "\\x00", "\\x5c4e0a0d00ff", `\\x${"00ff5c".repeat(3000)}`],
  bit: ["", "0", "1", "1".repeat(100), "01".repeat(4500)],
  varbit: ["", "0", "10101", "10".repeat(50)],
  date: ["2000-01-01", "infinity", "-infinity", "4713-01-01 BC", "0044-03-15 BC", "5874897-12-31"],
  time: ["00:00:00", "24:00:00", "12:34:56.789012"],
  timetz: ["00:00:00+15:59", "24:00:00-15:59", "12:34:56.789012+00"],
  timestamp: ["2000-01-01 00:00:00", "infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"],
  timestamptz: ["2000-01-01 00:00:00+00", "infinity", "-infinity", "4713-01-01 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00"],
  interval: ["0", "infinity", "-infinity", "1 mon -1 day 00:00:00.000001", "-178000000 years", "178000000 years", "-2562047788:00:54.775807"],
  uuid: ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
  xml: ["", "text", "<a/>", '<?xml version="1.0" encoding="UTF-8"?><ä b="&quot;">\t&amp;<!-- c --></ä>', "<!DOCTYPE a><a/>", `<a>${long("xml", 9000)}</a>`],
  json: ["null", '{"a" :  1,\n "a": [2]}', '"\\u0000 \\\\ \\n ä"', "1e400", '""', `"${long("json", 9000)}"`],
  jsonb: ["null", "{}", "[]", '{"a": null, "": [1.10, -0, "x\\\\\\n"]}', "1e400", '""', `["${long("jsonb", 9000)}"]`],
  jsonpath: ["$", 'strict $."a b"[*]?(@.b > 1 && @.c like_regex "^x" flag "i").size()', "lax $[last to 0].*"],
  inet: ["10.0.0.1/8", "0.0.0.0/0", "255.255.255.255", "::/0", "2001:db8::1/64", "::ffff:1.2.3.4"],
  cidr: ["10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "192.168.0.1/32"],
  macaddr: ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:03"],
  macaddr8: ["00:00:00:00:00:00:00:00", "08:00:2b:ff:fe:01:02:03"],
  point: ["(0,-0)", "(Infinity,-Infinity)", "(NaN,1e-300)"],
  line: ["{1,-1,0}", "{0,-1,5.5}"],
  lseg: ["[(0,0),(0,0)]", "[(1.5,-2),(Infinity,4)]"],
  box: ["(1,1),(0,0)", "(Infinity,2),(-1,-2)"],
  path: ["[(0,0)]", "((0,0),(1,1),(2,0))", "[(0,0),(1,1),(2,0)]"],
  polygon: ["((0,0))", "((0,0),(1,1),(2,0))"],
  circle: ["<(0,0),0>", "<(1,-2),Infinity>"],
  tsvector: ["", "'a':1A,2B 'c d':16383 '''q''' '\\\\'", "plain"],
  pg_lsn: ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"],
  pg_snapshot: ["1:1:", "10:20:10,14,15"],
  txid_snapshot: ["1:1:", "10:20:10,14,15"],
  xid: ["0", "3", "4294967295"],
  xid8: ["0", "18446744073709551615"],
  cid: ["0", "4294967295"],
  tid: ["(0,0)", "(4294967295,65535)"],
  refcursor: ["", 'c "1"'],
  int4range: ["empty", "(,)", "[1,5)", "(,2147483647)", "[-2147483648,)"],
  int8range: ["empty", "(,)", "[1,5)", "[-9223372036854775808,9223372036854775807)"],
  numrange: ["empty", "(,)", "(1.10,2]", "[-Infinity,NaN]"],
  daterange: ["empty", "(,)", "[0044-03-15 BC,infinity)", "[2000-01-01,2000-02-01)"],
  tsrange: ["empty", "(,)", '["2000-01-01 00:00:00",infinity]', '(-infinity,"2000-01-01 00:00:00")'],
  tstzrange: ["empty", "(,)", '["2000-01-01 00:00:00+00",infinity]', "(,infinity)"],
  int4multirange: ["{}", "{(,)}", "{[1,3),[5,9)}"],
  int8multirange: ["{}", "{(,)}", "{(,-5),[5,9)}"],
  nummultirange: ["{}", "{(,)}", "{(1.10,2],(3,NaN]}"],
  datemultirange: ["{}", "{(,)}", "{[2000-01-01,2000-02-01),[2001-01-01,infinity)}"],
  tsmultirange: ["{}", "{(,)}", '{["2000-01-01 00:00:00","2000-01-02 00:00:00"),(infinity,)}'],
  tstzmultirange: ["{}", "{(,)}", '{["2000-01-01 00:00:00+00","2000-01-02 00:00:00+00"),(infinity,)}'],
};

/** Without binary send and receive: text in a binary stream too. */
const TEXT_ONLY: Readonly<Record<string, readonly string[]>> = {
  aclitem: ["=r/postgres", "postgres=arw*/postgres", "pg_monitor=X/postgres"],
};

/** Sent in binary all the same, but an empty one cannot be received so (`tsqueryrecv`, `int2vectorrecv`, `oidvectorrecv`). */
const NOT_RECEIVED: Readonly<Record<string, readonly string[]>> = {
  tsquery: ["", "'a b' & !'c':*AB | ( 'd' <-> 'e' <2> 'f' )", "'''q\\\\'"],
  int2vector: ["", "1", "-1 32767 0"],
  oidvector: ["", "1", "0 4294967295"],
};

/** Sent in binary as OIDs, which mean something else on another server. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  regclass: ["-", "unportable", 'pg_catalog."pg_class"', '"odd ""schema""".thing', "4000000000"],
  regtype: ["-", "mood", "integer[]", '"char"'],
  regproc: ["-", "now", "pg_catalog.array_agg_finalfn"],
  regprocedure: ["-", "abs(integer)"],
  regoper: ["0", "||/"],
  regoperator: ["0", "+(integer,integer)", "-(NONE,integer)"],
  regrole: ["-", "pg_monitor"],
  regnamespace: ["-", "pg_catalog", '"odd ""schema"""'],
  regcollation: ["-", '"C"'],
  regconfig: ["-", "english"],
  regdictionary: ["-", "simple"],
};

/** Types whose values nobody can write, as their input functions say. */
export const WITHOUT_INPUT = [
  "gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "pg_dependencies", "pg_mcv_list", "pg_ndistinct", "pg_node_tree",
] as const;

/** Types with modifiers. */
const MODIFIED: readonly TypedColumn[] = [
  { type: "numeric(10,2)", values: ["12345678.90", "NaN", "-0.01"] },
  { type: "numeric(3,-2)", values: ["12300", "-99900"] },
  { type: "numeric(3,5)", values: ["0.00123", "-0.00999"] },
  { type: "varchar(5)", values: ["", "12345", "ä€😀"] },
  { type: "char(5)", values: ["", "12345", "ä  "] },
  { type: "bit(3)", values: ["000", "101"] },
  { type: "bit varying(5)", values: ["", "10101"] },
  { type: "time(0)", values: ["12:34:56"] },
  { type: "timestamp(3) with time zone", values: ["2000-01-01 00:00:00.123+00"] },
  { type: "interval year to month", values: ["1 year 2 mons"] },
  { type: "interval day to second(2)", values: ["1 day 02:03:04.05"] },
];

/** What a database may define itself. */
export const MADE_TYPES_SQL = `
  CREATE SCHEMA "odd ""schema""";
  CREATE TABLE "odd ""schema""".thing (id bigint PRIMARY KEY);
  CREATE TYPE mood AS ENUM ('sad', '', 'so, "so"', 'gl\\ad');
  CREATE TYPE pair AS (first int, "Second" text, moods mood[], gone int);
  ALTER TYPE pair DROP ATTRIBUTE gone;
  CREATE TYPE nested AS (p pair, ps pair[], r int4range, n numeric(5,2));
  CREATE TYPE nothing AS ();
  CREATE TABLE template (id int PRIMARY KEY, doc text);
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE DOMAIN given AS positive NOT NULL;
  CREATE DOMAIN tags AS text[] CHECK (cardinality(VALUE) < 9);
  CREATE DOMAIN cheer AS mood CHECK (VALUE <> 'sad');
  CREATE DOMAIN price AS numeric(6,2);
  CREATE DOMAIN couple AS pair CHECK ((VALUE).first IS DISTINCT FROM 0);
  CREATE DOMAIN span AS int4range;
  CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = many_floats);
  CREATE TYPE words AS RANGE (subtype = text, collation = "C");
  CREATE TYPE moods AS RANGE (subtype = mood);
  CREATE TYPE odd;
  CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'textin';
  CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
  CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = text);
  CREATE DOMAIN guard AS aclitem;
  CREATE TYPE guarded AS (note text, acl aclitem);
`;

const MADE: readonly TypedColumn[] = [
  { type: "mood", values: ["sad", "", 'so, "so"', "gl\\ad"] },
  { type: "pair", values: ["(,,)", '(1,"",{})', '(-1,"a ""b"" \\\\ (c), d","{sad,NULL,""so, \\\\""so\\\\""""}")', `(2,${long("pair", 9000)},)`] },
  { type: "nested", values: ["(,,,)", '("(1,x,{sad})","{""(,,)"",NULL,""(2,\\\\""\\\\"",)""}","[1,5)",1.10)'] },
  { type: "nothing", values: ["()"] },
  { type: "template", values: ["(,)", '(1,"a, b")'] },
  { type: "positive", values: ["1", "2147483647"] },
  { type: "given", values: ["1", "2"], notNull: true },
  { type: "tags", values: ["{}", '{"a b",NULL,""}', "[2:3]={a,b}"] },
  { type: "cheer", values: ["", "gl\\ad"] },
  { type: "price", values: ["1.10", "-9999.99"] },
  { type: "couple", values: ["(,,)", "(1,x,{sad})"] },
  { type: "span", values: ["empty", "[1,5)"] },
  { type: "floats", values: ["empty", "(-Infinity,NaN]", "[0.1,0.2)"] },
  { type: "many_floats", values: ["{}", "{[0.1,0.2),(3,)}"] },
  { type: "words", values: ["empty", '["","a, b\\\\"]', '["(",)'] },
  { type: "words_multirange", values: ["{}", '{["a","b"),["c",)}'] },
  { type: "moods", values: ["empty", '["",gl\\\\ad]'] },
];

const MADE_TEXT_ONLY: readonly TypedColumn[] = [
  { type: "odd", values: ["", "\\N", 'a "b"', long("odd", 9000)] },
  { type: "guard", values: ["=r/postgres"] },
];

const MADE_UNPORTABLE: readonly TypedColumn[] = [{ type: "guarded", values: ["(,)", '("a, b",=r/postgres)'] }];

const UNPORTABLE: readonly TypedColumn[] = [...builtIn(NOT_RECEIVED), ...builtIn(NAMES), ...MADE_UNPORTABLE];

/** `"char"` is not `char`. */
function builtIn(types: Readonly<Record<string, readonly string[]>>): TypedColumn[] {
  return Object.entries(types).map(([type, values]) => ({ type: `pg_catalog."${type}"`, values }));
}

function arrayOf({ type, values }: TypedColumn): TypedColumn {
  const delimiter = type === 'pg_catalog."box"' ? ";" : ",";
  const array = (...elements: readonly (string | null)[]): string => `{${elements.map((element) => (element === null ? "NULL" : quoted(element))).join(delimiter)}}`;
  const [first, last] = [values[0]!, values.at(-1)!];
  return {
    type: `${type}[]`,
    values: ["{}", array(null), array(...values, null), `{${array(first, null)}${delimiter}${array(last, first)}}`, `[-1:0]=${array(last, null)}`],
  };
}

const quoted = (element: string): string => `"${element.replace(/["\\]/g, "\\$&")}"`;

/** Domains that are not null have no array with NULL in it. */
const arraysOf = (columns: readonly TypedColumn[]): TypedColumn[] => columns.filter(({ notNull }) => notNull !== true).map(arrayOf);

/** Tables whose values have a binary form that every server reads. */
export const PORTABLE_TABLES: Readonly<Record<string, readonly TypedColumn[]>> = {
  scalars: [...builtIn(BASE_TYPES), ...MODIFIED],
  arrays: [...arraysOf(builtIn(BASE_TYPES)), ...arraysOf(MODIFIED)],
  made: [...MADE, ...arraysOf(MADE)],
};

/** A table with types that come as text for their column only. */
export const TEXT_ONLY_TABLES: Readonly<Record<string, readonly TypedColumn[]>> = {
  text_only: [{ type: "integer", values: BASE_TYPES["int4"]! }, ...builtIn(TEXT_ONLY), ...MADE_TEXT_ONLY, { type: "integer[]", values: ["{1,NULL}"] }],
};

/** Types whose binary form is not good for another server, though there is one: all the stream is text then. */
export const UNPORTABLE_TABLES: Readonly<Record<string, readonly TypedColumn[]>> = {
  unportable: UNPORTABLE,
  unportable_arrays: [...arraysOf(UNPORTABLE), ...arraysOf([...builtIn(TEXT_ONLY), ...MADE_TEXT_ONLY])],
};
