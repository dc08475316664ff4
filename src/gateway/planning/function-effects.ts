import { findFunctions, type FunctionFacts, type ShardedCatalog } from "./sharded-catalog.js";

/**
 * What the answer of a function depends on, as far as shards can differ in it:
 *
 * - `none`: its arguments and the session's settings, which are the same on every shard.
 * - `time`: the clock: shards differ by moments. Harmless in what is read, not in what is stored on every shard.
 * - `random`: nothing: each call has its own value.
 * - `number`: a sequence of which each shard draws numbers of its own, all of them different.
 * - `sequence`: a sequence; the shards' numbers may be the same.
 * - `drawn`: what the session drew from a sequence before (currval, lastval).
 * - `lock`: advisory locks and notifications, which others learn of on one server only.
 * - `setting`: it changes a setting of the session.
 * - `server`: the server, its files, its catalogs.
 * - `unknown`: whatever it reads: rows of any table perhaps.
 */
export type Effect = "none" | "time" | "random" | "number" | "sequence" | "drawn" | "lock" | "setting" | "server" | "unknown";

/** Of pg_catalog; STABLE because they read the clock (utils/adt/timestamp.c, date.c). */
const TIME = new Set(["now", "transaction_timestamp", "statement_timestamp", "age"]);

const RANDOM = new Set(["random", "random_normal", "gen_random_uuid", "uuidv4", "uuidv7", "clock_timestamp", "timeofday", "array_shuffle", "array_sample", "pg_sleep", "pg_sleep_for", "pg_sleep_until"]);

/** They run SQL or read tables that they are given by name (utils/adt/xml.c, tsvector_op.c, tsquery_rewrite.c). */
const RUNS_SQL = /^(?:query|table|schema|database|cursor)_to_xml|^ts_stat$|^ts_rewrite$/;

/** STABLE, but about the server, not about the arguments. */
const SERVER = /^(?:pg_(?!typeof$|column_size$|column_compression$|client_encoding$|get_expr$)|has_|txid_|inet_|to_reg|current_database$|version$|current_query$|(?:obj|col|shobj)_description$|row_security_active$|lo_|loread$|lowrite$|currtid)/;

/** Of extensions: VOLATILE, but only because they draw random values (uuid-ossp, pgcrypto). */
const RANDOM_OF_EXTENSIONS = /^(?:uuid_generate_|gen_random_bytes$|gen_salt$|pgp_(?:sym|pub)_encrypt)/;
/** Of extensions: STABLE, but for their dictionary only. */
const PURE_OF_EXTENSIONS = new Set(["unaccent"]);

/**
 * What a call does. Where it may mean several functions, the least harmless one counts; a function that the catalog does
 * not know is `unknown`.
 * @param name its parts: `["f"]` or `["schema", "f"]`
 */
export function effectOf(catalog: Pick<ShardedCatalog, "functions">, name: readonly string[], args: number): Effect {
  const [schema, own] = name.length > 1 ? [name.at(-2)!, name.at(-1)!] : ["", name[0] ?? ""];
  const candidates = findFunctions(catalog, schema, own, args);
  if (candidates.length === 0) return "unknown";
  return candidates.map((candidate) => effectOfCandidate(candidate, own, args)).reduce(worse);
}

const ORDER: readonly Effect[] = ["none", "time", "random", "number", "sequence", "server", "lock", "setting", "drawn", "unknown"];

function worse(left: Effect, right: Effect): Effect {
  return ORDER.indexOf(left) >= ORDER.indexOf(right) ? left : right;
}

function effectOfCandidate(candidate: FunctionFacts, name: string, args: number): Effect {
  if (candidate.schema === "reshard") return "unknown";
  if (candidate.volatility === "immutable") return "none";
  if (candidate.origin === "user") return "unknown";
  if (candidate.origin === "extension") return RANDOM_OF_EXTENSIONS.test(name) ? "random" : PURE_OF_EXTENSIONS.has(name) ? "none" : "unknown";
  if (TIME.has(name)) return name === "age" && args !== 1 ? "none" : "time";
  if (RANDOM.has(name)) return "random";
  if (name === "nextval" || name === "setval") return "sequence";
  if (name === "currval" || name === "lastval") return "drawn";
  if (/^pg_(?:try_)?advisory|^pg_notify$/.test(name)) return "lock";
  if (name === "set_config" || name === "setseed") return "setting";
  if (RUNS_SQL.test(name)) return "unknown";
  if (SERVER.test(name)) return "server";
  // Of aggregates and of what depends on settings alone (to_char, format, concat …).
  return candidate.volatility === "stable" || candidate.kind !== "function" ? "none" : "server";
}

/** Whether a call by that name can be one of an aggregate. */
export function isAggregate(catalog: ShardedCatalog, name: readonly string[], args: number): boolean {
  const [schema, own] = name.length > 1 ? [name.at(-2)!, name.at(-1)!] : ["", name[0] ?? ""];
  return findFunctions(catalog, schema, own, args).some(({ kind }) => kind === "aggregate");
}
