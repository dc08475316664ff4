import type { ShardingRules, Stage } from "../src/config/types.js";
import type { Cluster } from "../src/embedded/cluster.js";
import { runPipeline } from "../src/pipelines/run-pipeline.js";
import { measurePairs, timed } from "./measure-pairs.js";
import { createSubscription, dropSubscription } from "./native-subscription.js";
import type { BenchOptions } from "./options.js";
import { copyByPsql, psqlVersion } from "./psql.js";
import type { Measured } from "./result.js";
import { checkpoint, connectionString, execute, pipelineBetween, PUBLICATION, SETTINGS_TEXT, withServers, withSession } from "./servers.js";
import { until } from "./until.js";
import { fillWideRows, ROW_BYTES, WIDE_ROWS_INDEX, WIDE_ROWS_KEY, WIDE_ROWS_PRIMARY_KEY, WIDE_ROWS_TABLE } from "./wide-rows.js";

const SOURCE_DATABASE = "bench_source";
const STAGES: readonly Stage[] = [{ type: "schema_sync", phase: "pre" }, { type: "copy" }, { type: "schema_sync", phase: "post" }];
const SHARDING: ShardingRules = {
  tables: [{ name: "wide_rows", schema: "public", column: WIDE_ROWS_KEY, dataType: "bigint", hasher: "postgres", mapping: [] }],
  schemas: [],
  omnisharded: [],
};

/** One table into two empty shards until its indexes are built, beside the plainest way to move it to one server. */
export async function benchCopy(options: BenchOptions): Promise<Measured[]> {
  const psql = options.beside === "subscription" ? undefined : await psqlVersion();
  if (options.beside === "psql" && psql === undefined) throw new Error("psql is not on the path");
  const copyOther = psql === undefined ? copyBySubscription : copyByPipe;
  return await withServers(3, async ([source, ...shards]) => {
    const bench: CopyBench = { source: source!, shards, rows: options.rows };
    await source!.createDatabase(SOURCE_DATABASE);
    await execute(source!, SOURCE_DATABASE, WIDE_ROWS_TABLE, fillWideRows(options.rows), WIDE_ROWS_PRIMARY_KEY, WIDE_ROWS_INDEX, "VACUUM ANALYZE wide_rows", `CREATE PUBLICATION ${PUBLICATION} FOR ALL TABLES`);
    const times = await measurePairs(options.rounds, (round) => copyByPipeline(bench, round), (round) => copyOther(bench, round));
    return [
      {
        benchmark: "copy",
        what: "one table with a primary key and one index, from one server, until its indexes are built",
        subject: { label: "pg-reshard, to 2 shards", seconds: times.subject },
        baseline: { label: psql === undefined ? "CREATE SUBSCRIPTION, to 1 indexed table" : "psql | psql, to 1 indexed table", seconds: times.baseline },
        amounts: [{ unit: "MB", amount: (options.rows * ROW_BYTES) / 1e6 }, { unit: "rows", amount: options.rows }],
        target: { of: "time ratio", bound: "at most", value: 0.7, text: "at most 0.7 of the other's time" },
        conditions: {
          size: `${options.rows} rows of ${ROW_BYTES} bytes`,
          settings: SETTINGS_TEXT,
          beside: psql ?? "PostgreSQL's table synchronization (copy_data, binary), until pg_subscription_rel says ready",
        },
      },
    ];
  });
}

interface CopyBench {
  readonly source: Cluster;
  readonly shards: readonly Cluster[];
  readonly rows: number;
}

async function copyByPipeline({ source, shards, rows }: CopyBench, round: number): Promise<number> {
  const database = `shard_${round}`;
  const slot = `bench_${round}`;
  for (const shard of shards) await shard.createDatabase(database);
  await checkpoint([source, ...shards]);
  const pipeline = pipelineBetween({ source, shards, from: SOURCE_DATABASE, to: database, sharding: SHARDING, stages: STAGES, slot });
  const seconds = await timed(() => runPipeline({ pipeline, report: () => undefined, signal: new AbortController().signal }));
  const counts = await Promise.all(shards.map((shard) => countIndexedRows(shard, database)));
  expectRows(counts.reduce((sum, count) => sum + count, 0), rows);
  await execute(source, SOURCE_DATABASE, `SELECT pg_drop_replication_slot('${slot}_0')`);
  for (const shard of shards) await execute(shard, "postgres", `DROP DATABASE ${database} (FORCE)`);
  return seconds;
}

async function copyByPipe({ source, shards, rows }: CopyBench, round: number): Promise<number> {
  const [destination] = shards;
  const database = await indexedTable(destination!, round);
  await checkpoint([source, ...shards]);
  const seconds = await timed(async () => {
    expectRows(await copyByPsql({ from: connectionString(source, SOURCE_DATABASE), to: connectionString(destination!, database), table: "public.wide_rows" }), rows);
  });
  await execute(destination!, "postgres", `DROP DATABASE ${database} (FORCE)`);
  return seconds;
}

async function copyBySubscription({ source, shards, rows }: CopyBench, round: number): Promise<number> {
  const [destination] = shards;
  const database = await indexedTable(destination!, round);
  await checkpoint([source, ...shards]);
  const subscription = { name: `bench_copy_${round}`, source, from: SOURCE_DATABASE, destination: destination!, to: database, copyData: true };
  const seconds = await withSession(destination!, database, async (client) =>
    await timed(async () => {
      await createSubscription(subscription);
      await until("table synchronization", async () => (await client.query("SELECT FROM pg_subscription_rel WHERE srsubstate = 'r'")).rowCount === 1);
    }),
  );
  expectRows(await countIndexedRows(destination!, database), rows);
  await dropSubscription(subscription);
  await execute(destination!, "postgres", `DROP DATABASE ${database} (FORCE)`);
  return seconds;
}

async function indexedTable(destination: Cluster, round: number): Promise<string> {
  const database = `other_${round}`;
  await destination.createDatabase(database);
  await execute(destination, database, WIDE_ROWS_TABLE, WIDE_ROWS_PRIMARY_KEY, WIDE_ROWS_INDEX);
  return database;
}

/** Rows, once both indexes are there: a measurement of half the work must not pass. */
async function countIndexedRows(cluster: Cluster, database: string): Promise<number> {
  const [row] = await execute<{ rows: string; indexes: string }>(
    cluster,
    database,
    "SELECT (SELECT count(*) FROM public.wide_rows) AS rows, (SELECT count(*) FROM pg_index WHERE indrelid = 'public.wide_rows'::regclass AND indisvalid) AS indexes",
  );
  if (row?.indexes !== "2") throw new Error(`${row?.indexes ?? "no"} indexes were built instead of 2`);
  return Number(row.rows);
}

function expectRows(found: number, expected: number): void {
  if (found !== expected) throw new Error(`${found} rows arrived instead of ${expected}`);
}
