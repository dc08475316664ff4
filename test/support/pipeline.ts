import type { CutoverSettings, General, Pipeline, ServerAddress, ShardedTable, ShardingRules, Stage } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { type RunOptions, type RunResult, runPipeline } from "../../src/pipelines/run-pipeline.js";

/** A database on one of the test's servers. */
export interface Place {
  readonly cluster: Cluster;
  readonly database: string;
}

export const standardStages: readonly Stage[] = [
  { type: "schema_sync", phase: "pre" },
  { type: "copy" },
  { type: "schema_sync", phase: "post" },
  { type: "replicate", until: "caught-up" },
  { type: "verify" },
];

/** For tables that the test has made on the shards itself. */
export const rowStages: readonly Stage[] = standardStages.filter((stage) => stage.type !== "schema_sync");

/** As by default; but patience in small coins, and fewer tables at a time, for each takes sessions on every shard. */
const GENERAL: General = {
  reshardingParallelCopies: 2,
  reshardingCopyFormat: "binary",
  reshardingCopyRetryMaxAttempts: 200,
  reshardingCopyRetryMinDelay: 10,
  reshardingReplicationRetryMaxAttempts: 200,
  reshardingReplicationRetryMinDelay: 10,
  reshardingParallelIndexBuilds: 2,
  reshardingMaintenanceWorkMem: undefined,
  integerPrimaryKeys: "bigint",
};

/** As by default. */
const CUTOVER: CutoverSettings = { traffic: { kind: "gateway" }, stopThreshold: 1_000_000, timeout: 30_000, timeoutAction: "abort", lastTransactionDelay: 0, saveConfig: false, drainTimeout: 500, drainAction: "abort", verify: true, reverse: true };

export function addressOf({ cluster, database }: Place, overrides: Partial<ServerAddress> = {}): ServerAddress {
  return { host: cluster.host, port: cluster.port, database, user: cluster.user, password: cluster.password, sslmode: "disable", ...overrides };
}

export interface PipelineParts {
  /** The source; several addresses are its shards. */
  readonly from: ServerAddress | readonly ServerAddress[];
  /** Standbys of the source's first shard. */
  readonly replicas?: Pipeline["from"]["shards"][number]["replicas"];
  /** How the source is sharded. */
  readonly fromSharding?: Partial<ShardingRules>;
  readonly to: readonly ServerAddress[];
  readonly publication: string;
  readonly allowPartialPublication?: boolean;
  readonly onDdl?: Pipeline["onDdl"];
  readonly sequences?: Pipeline["sequences"];
  /** Name of the destination, which is part of what tells migrations apart. */
  readonly name?: string;
  readonly sharding?: Partial<ShardingRules>;
  readonly slot?: string;
  readonly stages?: readonly Stage[];
  readonly operators?: Pipeline["operators"];
  readonly general?: Partial<General>;
  readonly cutover?: Partial<CutoverSettings>;
}

export function makePipeline({ from, fromSharding = {}, replicas = [], to, publication, allowPartialPublication = false, onDdl = "stop", sequences = "sharded", name = "sharded", sharding = {}, slot, stages = standardStages, operators = [], general = {}, cutover = {} }: PipelineParts): Pipeline {
  const rules: ShardingRules = { tables: [], schemas: [], omnisharded: [], ...sharding };
  const sources = "host" in from ? [from] : from;
  return {
    from: {
      name: sources[0]!.database,
      shards: sources.map((primary, number) => ({ number, primary, replicas: number === 0 ? replicas : [] })),
      sharding: { tables: [], schemas: [], omnisharded: [], ...fromSharding },
    },
    to: { name, shards: to.map((primary, number) => ({ number, primary, replicas: [] })), sharding: rules },
    publication,
    allowPartialPublication,
    onDdl,
    sequences,
    slot,
    stages,
    operators,
    general: { ...GENERAL, ...general },
    cutover: { ...CUTOVER, ...cutover },
    pgDumpPath: undefined,
    notes: [],
  };
}

/** A `[[sharded_tables]]` rule of the postgres hasher. */
export function hashed(column: string, dataType: ShardedTable["dataType"], table: { readonly name?: string; readonly schema?: string } = {}): ShardedTable {
  return { ...table, column, dataType, hasher: "postgres", mapping: [] };
}

export interface Run extends RunResult {
  readonly events: readonly PipelineEvent[];
}

/** Runs a pipeline to its end. */
export async function runToEnd(pipeline: Pipeline, options: Partial<RunOptions> = {}): Promise<Run> {
  const events: PipelineEvent[] = [];
  const result = await runPipeline({
    pipeline,
    signal: new AbortController().signal,
    ...options,
    report(event) {
      events.push(event);
      options.report?.(event);
    },
  });
  return { ...result, events };
}

export function eventsOf<T extends PipelineEvent["type"]>(events: readonly PipelineEvent[], type: T): Extract<PipelineEvent, { type: T }>[] {
  return events.filter((event): event is Extract<PipelineEvent, { type: T }> => event.type === type);
}
