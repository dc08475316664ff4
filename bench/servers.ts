import type pg from "pg";
import type { Pipeline, ServerAddress, ShardingRules, Stage } from "../src/config/types.js";
import { type Cluster, startCluster } from "../src/embedded/cluster.js";

/** Equal on every server of a benchmark, ours and the other's: as durable as production. */
const SETTINGS: Readonly<Record<string, string>> = {
  fsync: "on",
  full_page_writes: "on",
  wal_level: "logical",
  shared_buffers: "256MB",
  maintenance_work_mem: "128MB",
  // A checkpoint or a vacuum in the middle would fall on one side only.
  max_prepared_transactions: "20",
  max_wal_size: "16GB",
  checkpoint_timeout: "1h",
  autovacuum: "off",
};

/** For the output: what the figures were measured with. */
export const SETTINGS_TEXT = `${Object.entries(SETTINGS).map(([name, value]) => `${name} = ${value}`).join(", ")} on all servers`;

export const PUBLICATION = "bench";

/** Starts that many servers, runs `work`, and stops them whatever happens. */
export async function withServers<T>(count: number, work: (clusters: readonly Cluster[]) => Promise<T>): Promise<T> {
  const started = await Promise.allSettled(Array.from({ length: count }, () => startCluster({ settings: SETTINGS })));
  const clusters = started.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  try {
    for (const outcome of started) if (outcome.status === "rejected") throw outcome.reason;
    return await work(clusters);
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
}

/** Runs `work` in a session of its own. */
export async function withSession<T>(cluster: Cluster, database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await cluster.connect(database);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Runs statements one after the other, each in a transaction of its own; the rows of the last. */
export async function execute<R extends pg.QueryResultRow>(cluster: Cluster, database: string, ...statements: readonly string[]): Promise<R[]> {
  return await withSession(cluster, database, async (client) => {
    let rows: R[] = [];
    for (const statement of statements) ({ rows } = await client.query<R>(statement));
    return rows;
  });
}

/** Writes out what lies in memory, so that no measurement pays for what came before it. */
export async function checkpoint(clusters: readonly Cluster[]): Promise<void> {
  await Promise.all(clusters.map((cluster) => execute(cluster, "postgres", "CHECKPOINT")));
}

/** A libpq connection string, as CREATE SUBSCRIPTION and psql take it. */
export function connectionString(cluster: Cluster, database: string): string {
  return `host=${cluster.host} port=${cluster.port} user=${cluster.user} password=${cluster.password} dbname=${database}`;
}

export interface PipelineBetween {
  readonly source: Cluster;
  /** One server for each shard. */
  readonly shards: readonly Cluster[];
  /** Databases on the source and on the shards. */
  readonly from: string;
  readonly to: string;
  readonly sharding: ShardingRules;
  readonly stages: readonly Stage[];
  readonly slot: string;
}

/** A pipeline between benchmark servers, as a pipeline file would describe it with everything else left at its default. */
export function pipelineBetween({ source, shards, from, to, sharding, stages, slot }: PipelineBetween): Pipeline {
  const none: ShardingRules = { tables: [], schemas: [], omnisharded: [] };
  return {
    from: { name: "source", shards: [{ number: 0, primary: address(source, from), replicas: [] }], sharding: none },
    to: { name: "shards", shards: shards.map((cluster, number) => ({ number, primary: address(cluster, to), replicas: [] })), sharding },
    publication: PUBLICATION,
    slot,
    stages,
    operators: [],
    general: {
      reshardingParallelCopies: 4,
      reshardingCopyFormat: "binary",
      reshardingCopyRetryMaxAttempts: 1,
      reshardingCopyRetryMinDelay: 1000,
      reshardingReplicationRetryMaxAttempts: 1,
      reshardingReplicationRetryMinDelay: 1000,
      reshardingParallelIndexBuilds: 2,
      reshardingMaintenanceWorkMem: undefined,
      integerPrimaryKeys: "bigint",
    },
    cutover: { traffic: { kind: "gateway" }, stopThreshold: 1_000_000, timeout: 30_000, timeoutAction: "abort", lastTransactionDelay: 0, saveConfig: false, drainTimeout: 500, drainAction: "abort", verify: true, reverse: true },
    allowPartialPublication: false,
    onDdl: "stop",
    sequences: "sharded",
    pgDumpPath: undefined,
    notes: [],
  };
}

function address(cluster: Cluster, database: string): ServerAddress {
  return { host: cluster.host, port: cluster.port, user: cluster.user, password: cluster.password, database, sslmode: "disable" };
}
