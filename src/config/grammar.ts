import { z } from "zod";
import { Substituted } from "./environment.js";
import {
  PROXY_DATABASE_KEYS,
  PROXY_GENERAL_KEYS,
  PROXY_OMNISHARDED_KEYS,
  PROXY_SHARDED_TABLE_KEYS,
  PROXY_USER_KEYS,
} from "./proxy-keys.js";

/** One kind of table: what it is called in messages, its keys, and those that are accepted and not looked at. */
export interface Grammar<Row> {
  readonly label: string;
  readonly keys: readonly string[];
  readonly ignored: readonly string[];
  readonly schema: z.ZodType<Row>;
}

export function grammar<Shape extends z.ZodRawShape>(
  label: string,
  shape: Shape,
  ignored: readonly string[] = [],
): Grammar<z.infer<z.ZodObject<Shape, z.core.$strict>>> {
  return { label, keys: Object.keys(shape), ignored, schema: z.strictObject(shape) };
}

// Every message below says what is expected; what was found is added where issues become problems.

const unwrapped = (value: unknown): unknown => (value instanceof Substituted && !value.failed ? value.text : value);

export const text = z.preprocess(
  unwrapped,
  z.string({ error: "a string" }).refine((value) => !value.includes("\0"), { error: "a string without a NUL character" }),
);
export const name = text.pipe(z.string().min(1, { error: "a string that is not empty" }));

export const flag = z.preprocess(
  (value) => (value instanceof Substituted && /^(?:true|false)$/u.test(value.text) ? value.text === "true" : value),
  z.boolean({ error: "true or false" }),
);

export const wholeNumber = (least: number, most: number, expected: string) =>
  z.preprocess(
    (value) => (value instanceof Substituted && /^\d{1,15}$/u.test(value.text) ? Number(value.text) : value),
    z.number({ error: expected }).int({ error: expected }).min(least, { error: expected }).max(most, { error: expected }),
  );

export const oneOf = <const Word extends string>(...words: readonly [Word, ...Word[]]) => {
  const expected = words.map((word) => JSON.stringify(word)).join(words.length === 2 ? " or " : ", ");
  return z.preprocess(unwrapped, z.enum(words, { error: expected }));
};

const shardNumber = wholeNumber(0, 65_535, "a shard number, from 0");
const attempts = wholeNumber(0, 2 ** 31 - 1, "a number of attempts, 0 or more");
/** Node's timers take no more: the largest signed 32-bit integer. */
const milliseconds = wholeNumber(0, 2 ** 31 - 1, "milliseconds, from 0 to 2147483647");

/** Kilobytes in each of PostgreSQL's units (guc.c); B is left out, for nobody gives an index bytes. */
const KILOBYTES: Readonly<Record<string, number>> = { kB: 1, MB: 1024, GB: 1024 ** 2, TB: 1024 ** 3 };
/** Least and most of maintenance_work_mem in kB (guc_tables.c, MAX_KILOBYTES); the least is that of PostgreSQL 17 and before. */
const MEMORY_BOUNDS = { least: 1024, most: 2 ** 31 - 1 };
const memory = text.refine(
  (value) => {
    const [, digits, unit] = /^(\d{1,10}) ?(kB|MB|GB|TB)$/u.exec(value) ?? [];
    const kilobytes = Number(digits) * (KILOBYTES[unit ?? ""] ?? Number.NaN);
    return kilobytes >= MEMORY_BOUNDS.least && kilobytes <= MEMORY_BOUNDS.most;
  },
  { error: "an amount of memory as PostgreSQL writes it, such as \"512MB\", from 1MB to 2047GB" },
);

const keyValue = z.preprocess(
  (value) => (typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : unwrapped(value)),
  z.custom<bigint | string>(
    (value) => typeof value === "string" || (typeof value === "bigint" && BigInt.asIntN(64, value) === value),
    { error: "a string or a 64-bit integer" },
  ),
);

export const list = <Element extends z.ZodType>(element: Element, expected: string) => z.array(element, { error: expected });

export const DATABASES = grammar(
  "[[databases]]",
  {
    name,
    host: name,
    port: wholeNumber(1, 65_535, "a port, from 1 to 65535").default(5432),
    shard: shardNumber.default(0),
    role: oneOf("primary", "replica", "auto").optional(),
    resharding_only: flag.default(false),
    database_name: name.optional(),
    user: name.optional(),
    password: text.optional(),
    sslmode: oneOf("disable", "prefer", "require", "verify-ca", "verify-full").default("prefer"),
  },
  PROXY_DATABASE_KEYS,
);
export type DatabaseRow = z.infer<typeof DATABASES.schema>;

export const USERS = grammar(
  "[[users]]",
  {
    name,
    database: text.optional(),
    databases: list(name, "a list of database names").optional(),
    all_databases: flag.default(false),
    password: text.optional(),
    passwords: list(text, "a list of strings").optional(),
    server_user: name.optional(),
    server_password: text.optional(),
    server_auth: oneOf("password", "rds_iam", "azure_workload_identity", "vault").default("password"),
    schema_admin: flag.default(false),
  },
  PROXY_USER_KEYS,
);
export type UserRow = z.infer<typeof USERS.schema>;

export const SHARDED_TABLES = grammar(
  "[[sharded_tables]]",
  {
    database: name,
    name: name.optional(),
    table: name.optional(),
    schema: name.optional(),
    column: name,
    data_type: oneOf("bigint", "uuid", "varchar", "vector").default("bigint"),
    hasher: oneOf("postgres", "sha1").default("postgres"),
    mapping: list(z.unknown(), "a list of { values, shard }, { start, end, shard } and { shard }").optional(),
    // Known, and refused with a reason where the database takes part.
    broadcast_null: flag.default(false),
    lookup_query: text.optional(),
    centroids: z.unknown().optional(),
    centroids_path: z.unknown().optional(),
    centroid_probes: z.unknown().optional(),
  },
  PROXY_SHARDED_TABLE_KEYS,
);
export type ShardedTableRow = z.infer<typeof SHARDED_TABLES.schema>;

const values = list(keyValue, "a list of strings or integers").min(1, { error: "at least one value" }).optional();

/** An element of `mapping`. */
export const MAPPING = grammar("mapping", {
  values,
  start: keyValue.optional(),
  end: keyValue.optional(),
  shard: shardNumber,
});
export type MappingRow = z.infer<typeof MAPPING.schema>;

export const SHARDED_MAPPINGS = grammar("[[sharded_mappings]]", {
  database: name,
  column: name,
  table: name.optional(),
  schema: name.optional(),
  kind: oneOf("list", "range", "default"),
  values,
  start: keyValue.optional(),
  end: keyValue.optional(),
  shard: shardNumber,
});
export type ShardedMappingRow = z.infer<typeof SHARDED_MAPPINGS.schema>;

export const SHARDED_SCHEMAS = grammar("[[sharded_schemas]]", {
  database: name,
  name: name.optional(),
  shard: shardNumber.default(0),
  all: flag.default(false),
});
export type ShardedSchemaRow = z.infer<typeof SHARDED_SCHEMAS.schema>;

/** What the statements of a database are planned for, before it is moved. */
export const REHEARSALS = grammar("[[rehearsals]]", { database: name, destination: name });
export type RehearsalRow = z.infer<typeof REHEARSALS.schema>;

export const OMNISHARDED_TABLES = grammar(
  "[[omnisharded_tables]]",
  { database: name, tables: list(name, "a list of table names") },
  PROXY_OMNISHARDED_KEYS,
);
export type OmnishardedRow = z.infer<typeof OMNISHARDED_TABLES.schema>;

/** Without defaults: several files may each set some of it. */
export const GENERAL = grammar(
  "[general]",
  {
    resharding_parallel_copies: wholeNumber(1, 1024, "a number of copies, from 1 to 1024").optional(),
    resharding_copy_format: oneOf("binary", "text").optional(),
    resharding_copy_retry_max_attempts: attempts.optional(),
    resharding_copy_retry_min_delay: milliseconds.optional(),
    resharding_replication_retry_max_attempts: attempts.optional(),
    resharding_replication_retry_min_delay: milliseconds.optional(),
    resharding_parallel_index_builds: wholeNumber(1, 64, "a number of builds, from 1 to 64").optional(),
    resharding_maintenance_work_mem: memory.optional(),
    integer_primary_keys: oneOf("bigint", "keep").optional(),
    cutover_traffic_stop_threshold: wholeNumber(0, Number.MAX_SAFE_INTEGER, "bytes, 0 or more").optional(),
    cutover_timeout: milliseconds.optional(),
    cutover_timeout_action: oneOf("abort", "cutover").optional(),
    cutover_last_transaction_delay: milliseconds.optional(),
    // The lag is always brought to nothing.
    cutover_replication_lag_threshold: wholeNumber(0, Number.MAX_SAFE_INTEGER, "bytes, 0 or more").optional(),
    cutover_save_config: flag.optional(),
    cutover_drain_timeout: milliseconds.optional(),
    cutover_drain_action: oneOf("abort", "cancel").optional(),
    cutover_verify: flag.optional(),
    host: name.optional(),
    port: wholeNumber(0, 65_535, "a port, from 0 to 65535").optional(),
    auth_type: oneOf("scram", "plain", "trust", "md5").optional(),
    tls_certificate: name.optional(),
    tls_private_key: name.optional(),
    max_clients: wholeNumber(1, 1_000_000, "a number of clients, from 1").optional(),
    client_login_timeout: milliseconds.optional(),
    client_idle_timeout: milliseconds.optional(),
    query_timeout: milliseconds.optional(),
    two_phase_commit: flag.optional(),
    cross_shard_lock_timeout: milliseconds.optional(),
    state_directory: name.optional(),
  },
  PROXY_GENERAL_KEYS,
);
export type GeneralRow = z.infer<typeof GENERAL.schema>;

/** Without defaults, as `GENERAL`. */
export const ADMIN = grammar("[admin]", { name: name.optional(), user: name.optional(), password: text.optional() });
export type AdminRow = z.infer<typeof ADMIN.schema>;

/** Which of the keys belong together is checked where they are put together. */
export const CUTOVER = grammar("[cutover]", {
  traffic: oneOf("gateway", "pgbouncer", "command").optional(),
  reverse: flag.optional(),
  pgbouncer_host: name.optional(),
  pgbouncer_port: wholeNumber(1, 65_535, "a port, from 1 to 65535").optional(),
  pgbouncer_user: name.optional(),
  pgbouncer_password: text.optional(),
  pgbouncer_file: name.optional(),
  pgbouncer_databases: list(name, "a list of names of PgBouncer's [databases]").optional(),
  pgbouncer_targets: z.record(z.string(), name, { error: "a table: connection strings by the names of [[databases]]" }).optional(),
  pause_command: name.optional(),
  switch_command: name.optional(),
  resume_command: name.optional(),
  undo_command: name.optional(),
  in_charge_command: name.optional(),
  command_timeout: milliseconds.optional(),
});
export type CutoverRow = z.infer<typeof CUTOVER.schema>;

export const REPLICATION = grammar("[replication]", { pg_dump_path: name.optional() });

/**
 * What a slot's base name may be: PostgreSQL takes a-z, 0-9 and _ up to 63 bytes (ReplicationSlotValidateName in
 * replication/slot.c), and `_` with the number of the source shard is still to be appended.
 */
export const SLOT_NAME = /^[a-z0-9_]{1,57}$/u;
export const SLOT_NAME_EXPECTED = "1 to 57 of the characters a-z, 0-9 and _";

/** How the shards share the numbers of the source's sequences after the cutover; `Pipeline.sequences` says what each does. */
export const SEQUENCE_STRATEGIES = ["sharded", "interleaved", "same"] as const;
export const DEFAULT_SEQUENCES = "sharded";

export const PIPELINE = grammar("[pipeline]", {
  from: name,
  to: name,
  publication: name,
  allow_partial_publication: flag.default(false),
  on_ddl: oneOf("stop", "apply").default("stop"),
  sequences: oneOf(...SEQUENCE_STRATEGIES).default(DEFAULT_SEQUENCES),
  replication_slot: text.pipe(z.string().regex(SLOT_NAME, { error: SLOT_NAME_EXPECTED })).optional(),
  config: name.optional(),
  users: name.optional(),
});

/** Of a schema_sync stage: before the rows, after them, when the applications are about to be switched, for the way back. */
export const SCHEMA_PHASES = ["pre", "post", "cutover", "post-cutover"] as const;

const stage = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  grammar(`[[stages]] of type "${type}"`, { type: z.preprocess(unwrapped, z.literal(type)), ...shape });

const operators = list(name, "a list of names of [operators.NAME]").default([]);

/** By `type`. */
export const STAGES = {
  schema_sync: stage("schema_sync", { phase: oneOf(...SCHEMA_PHASES) }),
  copy: stage("copy", { operators }),
  replicate: stage("replicate", { until: oneOf("caught-up", "stopped").default("caught-up"), operators }),
  verify: stage("verify", {}),
  cutover: stage("cutover", {}),
  flow: stage("flow", { source: name, operators, sink: name }),
  command: stage("command", { run: name, timeout: milliseconds.default(600_000) }),
} as const;

/** Of a file whose stages are flows and commands. */
export const FLOW_PIPELINE = grammar("[pipeline]", { config: name.optional(), users: name.optional() }, PIPELINE.keys.filter((key) => !["config", "users"].includes(key)));

/** What all `[operators.NAME]` have; the other keys depend on `type`. */
export const OPERATOR = entry({ type: name, tables: list(name, 'a list of tables: "table", "schema.table" or "schema.*"').min(1, { error: "at least one table, or none of the key for all" }).optional() });
/** The same of `[sources.NAME]` and `[sinks.NAME]`. */
export const FLOW_END = entry({ type: name, database: name.optional() });

function entry<Shape extends z.ZodRawShape>(shape: Shape): (label: string) => Grammar<z.infer<z.ZodObject<Shape, z.core.$loose>>> {
  return (label) => ({ label, keys: Object.keys(shape), ignored: [], schema: z.looseObject(shape) });
}
