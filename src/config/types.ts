import type { Place } from "./configuration-error.js";

/** How to reach one PostgreSQL server and database. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** The database's name on that server. */
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly sslmode: "disable" | "prefer" | "require" | "verify-ca" | "verify-full";
}

/** One shard: the server that takes writes and those that may be read from. */
export interface Shard {
  /** From 0, without gaps. */
  readonly number: number;
  readonly primary: ServerAddress;
  readonly replicas: readonly (ServerAddress & { readonly reshardingOnly: boolean })[];
}

/** A logical database of `[[databases]]`: all entries of one name. */
export interface Database {
  readonly name: string;
  readonly shards: readonly Shard[];
  readonly sharding: ShardingRules;
}

export type KeyType = "bigint" | "uuid" | "varchar";
export type Hasher = "postgres" | "sha1";

/** One `mapping` entry or `[[sharded_mappings]]` row. Values are as written: integers as bigint, uuid and text as string. */
export type Mapping =
  | { readonly kind: "list"; readonly values: readonly (bigint | string)[]; readonly shard: number }
  /** Start inclusive, end exclusive; absent is unbounded. */
  | { readonly kind: "range"; readonly start?: bigint | string; readonly end?: bigint | string; readonly shard: number }
  | { readonly kind: "default"; readonly shard: number };

/** `[[sharded_tables]]`. Without `name` it applies to every table that has the column. */
export interface ShardedTable {
  readonly name?: string;
  readonly schema?: string;
  readonly column: string;
  readonly dataType: KeyType;
  readonly hasher: Hasher;
  /** Replaces hashing where it is not empty. */
  readonly mapping: readonly Mapping[];
}

/** `[[sharded_schemas]]`; without a name, the rule for all other schemas. */
export interface ShardedSchema {
  readonly name?: string;
  readonly shard: number;
  /** `all = true`: the schema's tables are omnisharded, and `shard` has no meaning. Absent is false. */
  readonly all?: boolean;
}

export interface ShardingRules {
  readonly tables: readonly ShardedTable[];
  readonly schemas: readonly ShardedSchema[];
  /** Tables named in `[[omnisharded_tables]]`: omnisharded even where a rule by column name would match. */
  readonly omnisharded: readonly string[];
}

/** `[general]`, as far as this project uses it. Milliseconds and bytes. */
export interface General {
  readonly reshardingParallelCopies: number;
  readonly reshardingCopyFormat: "binary" | "text";
  readonly reshardingCopyRetryMaxAttempts: number;
  readonly reshardingCopyRetryMinDelay: number;
  /** 0 is for ever. */
  readonly reshardingReplicationRetryMaxAttempts: number;
  readonly reshardingReplicationRetryMinDelay: number;
  /** Indexes built at a time on each shard. */
  readonly reshardingParallelIndexBuilds: number;
  /** `maintenance_work_mem` of the sessions that build indexes, as the server reads it; undefined leaves the server's own. */
  readonly reshardingMaintenanceWorkMem: string | undefined;
  /** What int2 and int4 primary keys, and what refers to them, become on the shards. */
  readonly integerPrimaryKeys: "bigint" | "keep";
}

/** How the applications' traffic is held back and moved. Milliseconds. */
export type TrafficSettings =
  /** By our own gateway, in `pg-reshard serve`. */
  | { readonly kind: "gateway" }
  | { readonly kind: "pgbouncer"; readonly pgbouncer: PgBouncerSettings }
  | { readonly kind: "command"; readonly commands: TrafficCommands };

/** A PgBouncer whose `[databases]` lines lead to the side that is in charge. */
export interface PgBouncerSettings {
  /** Of the admin console. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  /** The file that has the lines: pgbouncer.ini, or one that it includes. */
  readonly file: string;
  /** Names in its `[databases]`. */
  readonly databases: readonly string[];
  /** What stands behind `name =` where a side is in charge: `host=… port=… dbname=…`. By the side's name; undefined: its only shard's address. */
  readonly targets: Readonly<Record<string, string>>;
}

/** Commands for `sh -c`; each may be run again. */
export interface TrafficCommands {
  readonly pause: string;
  readonly switch: string;
  readonly resume: string;
  /** Run where `switch` failed: puts back what it had done. */
  readonly undo: string | undefined;
  /** Prints the name of the database that is in charge. */
  readonly inCharge: string | undefined;
  /** How long each may take. */
  readonly timeout: number;
}

/** How a cutover is done. Milliseconds and bytes. */
export interface CutoverSettings {
  readonly traffic: TrafficSettings;
  /** Traffic is paused when no source shard's lag is larger. */
  readonly stopThreshold: number;
  /** For the lag to come under it, and from the pause until the switch. */
  readonly timeout: number;
  /** What happens where that is not enough: the cutover is given up, or goes on waiting. No write is ever left behind. */
  readonly timeoutAction: "abort" | "cutover";
  /** How long to wait before the pause. */
  readonly lastTransactionDelay: number;
  /** Write the swapped names into the configuration files too (`pg-reshard serve`). */
  readonly saveConfig: boolean;
  /** What open transactions are given to end. */
  readonly drainTimeout: number;
  /** What happens with those that are open then: the cutover is given up, or they are cancelled. */
  readonly drainAction: "abort" | "cancel";
  /** Compare all rows before anything is paused. */
  readonly verify: boolean;
  /** `pg-reshard run` streams the way back after the cutover, until it is stopped. */
  readonly reverse: boolean;
}

/**
 * - `sharded`: as interleaved, and a sharding key that comes from a sequence is drawn until it belongs to its shard.
 * - `interleaved`: each shard has numbers of its own, by start and increment.
 * - `same`: the shards' sequences are only moved past the source's.
 */
export type SequenceStrategy = "sharded" | "interleaved" | "same";

/**
 * Of the schema: `pre` is tables and primary keys, `post` everything that is built over the rows, `cutover` sequences and
 * sharding keys, `post-cutover` what the way back needs.
 */
export type SchemaPhase = "pre" | "post" | "cutover" | "post-cutover";

export type Stage =
  | { readonly type: "schema_sync"; readonly phase: SchemaPhase }
  | { readonly type: "copy" }
  | { readonly type: "replicate"; readonly until: "caught-up" | "stopped" }
  | { readonly type: "verify" }
  /** Moves the applications over. Comes last. */
  | { readonly type: "cutover" }
  | FlowStage
  | CommandStage;

/** Rows or changes of one source, through operators, into one sink. */
export interface FlowStage {
  readonly type: "flow";
  readonly source: FlowEnd;
  readonly operators: readonly OperatorEntry[];
  readonly sink: FlowEnd;
}

/** `sh -c run`. It is run whenever the stage is come to, after an interruption once more. */
export interface CommandStage {
  readonly type: "command";
  readonly run: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** A table of a pipeline file whose `type` says which other keys it has; whoever knows the types checks those. */
interface Entry {
  /** `NAME` of `[operators.NAME]`. */
  readonly name: string;
  /** One that is built in, or (operators only) a module's path relative to the file that the entry is in. */
  readonly type: string;
  /** All other keys, the environment's values put in as texts. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Keys of `options` with a value that came at least partly from the environment: not to be shown. */
  readonly fromEnvironment: readonly string[];
  /** Of the entry itself. */
  readonly place: Place;
  /** Of all keys' values, and of what is in them: `columns`, `columns.email`, `columns.0`. */
  readonly places: Readonly<Record<string, Place>>;
  /** Of the keys themselves. */
  readonly keyPlaces: Readonly<Record<string, Place>>;
}

/** `[operators.NAME]` */
export interface OperatorEntry extends Entry {
  /** `table`, `schema.table` or `schema.*`; undefined is all tables. */
  readonly tables: readonly string[] | undefined;
}

/** `[sources.NAME]` or `[sinks.NAME]` */
export interface FlowEnd extends Entry {
  /** The one that `database` names. */
  readonly database: Database | undefined;
}

/** What a run needs to know, however it was written: a pipeline file, or pgdog.toml and flags. */
export interface Pipeline {
  readonly from: Database;
  readonly to: Database;
  readonly publication: string;
  /** Go on where the publication leaves out some of insert, update, delete and truncate: the shards will lack them. */
  readonly allowPartialPublication: boolean;
  /** What happens where a table is changed or added on the source: the stream stops, or carries columns and tables that were added over. */
  readonly onDdl: "stop" | "apply";
  /** How the shards share the numbers of the source's sequences after the cutover. */
  readonly sequences: SequenceStrategy;
  /** Base name of the slots; the source shard's number is appended. */
  readonly slot: string | undefined;
  readonly stages: readonly Stage[];
  /** What copied and streamed rows pass, in order. */
  readonly operators: readonly OperatorEntry[];
  readonly general: General;
  readonly cutover: CutoverSettings;
  /** `[replication] pg_dump_path`. */
  readonly pgDumpPath: string | undefined;
  /** What was accepted but is not used, one sentence each, with its place; for the operator to read. */
  readonly notes: readonly string[];
}

/** A pipeline file that moves no database: of flows and commands only. */
export interface FlowPipeline {
  readonly from: undefined;
  readonly stages: readonly (FlowStage | CommandStage)[];
  readonly general: General;
  /** As of `Pipeline`. */
  readonly notes: readonly string[];
}

/** Values of a row by column, as TOML has them. */
export type TestValues = Readonly<Record<string, unknown>>;

/** Of `[[tests]]`: one of the three operations, or TRUNCATE. */
export type TestChange =
  | { readonly kind: "insert"; readonly row: TestValues }
  /** `old`: what the row was, all of it or its key; undefined where no key changes. */
  | { readonly kind: "update"; readonly row: TestValues; readonly old: TestValues | undefined }
  | { readonly kind: "delete"; readonly row: TestValues }
  | { readonly kind: "truncate" };

/** What comes out: on which shard, where that is asked for, and the values that are asked for. */
export type ExpectedRow = { readonly shard: number | "every" | undefined; readonly row: TestValues };
export type ExpectedChange = { readonly shard: number | "every" | undefined } & TestChange;

/** `[[tests]]`: rows or changes of one table, and what becomes of them. */
export interface PipelineTest {
  readonly name: string;
  readonly table: { readonly schema: string; readonly name: string };
  /** By name: a type, and whether it is of the primary key. */
  readonly columns: Readonly<Record<string, string>>;
  readonly given: { readonly kind: "rows"; readonly rows: readonly TestValues[] } | { readonly kind: "changes"; readonly changes: readonly TestChange[] };
  readonly expected:
    | { readonly kind: "rows"; readonly rows: readonly ExpectedRow[] }
    | { readonly kind: "changes"; readonly changes: readonly ExpectedChange[] }
    /** Statements, as a sink of type `sql` writes them. */
    | { readonly kind: "sql"; readonly statements: readonly string[] }
    /** An error with this code. */
    | { readonly kind: "error"; readonly code: string };
  readonly place: Place;
  /** Of what stands under these keys and indexes. */
  readonly placeOf: (...keys: readonly (string | number)[]) => Place;
}
