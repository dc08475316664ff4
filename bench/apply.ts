import type { Cluster } from "../src/embedded/cluster.js";
import { runPipeline } from "../src/pipelines/run-pipeline.js";
import { createFrom, createTemplate, fingerprint, publishTables, writeBacklog } from "./backlog.js";
import { measurePairs, timed } from "./measure-pairs.js";
import { createSubscription, dropSubscription, enableSubscription } from "./native-subscription.js";
import type { BenchOptions } from "./options.js";
import type { Measured } from "./result.js";
import { checkpoint, execute, pipelineBetween, SETTINGS_TEXT, withServers, withSession } from "./servers.js";
import { until } from "./until.js";

const TEMPLATE = "bench_template";

/**
 * A backlog of small transactions into one shard, beside a native subscription that consumes the same backlog into a
 * database beside it. Both times end when the backlog's last row is there.
 */
export async function benchApply(options: BenchOptions): Promise<Measured[]> {
  return await withServers(2, async ([source, destination]) => {
    const bench: ApplyBench = { source: source!, destination: destination!, transactions: options.transactions };
    await Promise.all([createTemplate(source!, TEMPLATE), createTemplate(destination!, TEMPLATE)]);
    // A run of its own length would be compiled code for most of its time; this one is over before.
    await onePair({ ...bench, transactions: Math.ceil(options.transactions / 5) }, options.rounds);
    const times = await measurePairs(options.rounds, (round) => ours(bench, round), (round) => theirs(bench, round));
    return [
      {
        benchmark: "apply",
        what: "a backlog of transactions, each an update and an insert, into one shard",
        subject: { label: "pg-reshard, replicate stage", seconds: times.subject },
        baseline: { label: "CREATE SUBSCRIPTION (binary)", seconds: times.baseline },
        amounts: [{ unit: "changes", amount: options.transactions * 2 }, { unit: "transactions", amount: options.transactions }],
        target: { of: "rate ratio", bound: "at least", value: 1.3, text: "at least 1.3 times the native rate" },
        conditions: {
          size: `${options.transactions} transactions`,
          settings: SETTINGS_TEXT,
          durability: "synchronous_commit = on (pg-reshard), off with feedback of what is flushed (the subscription, by its default)",
          "warm-up": "one pair before, with a fifth of the transactions",
        },
      },
    ];
  });
}

async function ours(bench: ApplyBench, round: number): Promise<number> {
  await prepareRound(bench, round);
  return await applyByPipeline(bench, round);
}

async function theirs(bench: ApplyBench, round: number): Promise<number> {
  const seconds = await applyBySubscription(bench, round);
  await endRound(bench, round);
  return seconds;
}

async function onePair(bench: ApplyBench, round: number): Promise<void> {
  await ours(bench, round);
  await theirs(bench, round);
}

interface ApplyBench {
  readonly source: Cluster;
  readonly destination: Cluster;
  readonly transactions: number;
}

/** Names of one round; each has databases and slots of its own, for a slot that was used before starts elsewhere. */
function namesOf(round: number) {
  return { from: `bench_source_${round}`, ours: `bench_shard_${round}`, theirs: `bench_native_${round}`, slot: `bench_${round}`, subscription: `bench_native_${round}` };
}

/** Both slots are there before the backlog is. */
async function prepareRound({ source, destination, transactions }: ApplyBench, round: number): Promise<void> {
  const { from, ours, theirs, slot } = namesOf(round);
  await createFrom(source, TEMPLATE, from);
  await createFrom(destination, TEMPLATE, ours);
  await createFrom(destination, TEMPLATE, theirs);
  await publishTables(source, from);
  await execute(source, from, `SELECT pg_create_logical_replication_slot('${slot}_0', 'pgoutput')`);
  await createSubscription(subscriptionOf({ source, destination }, round));
  await writeBacklog(source, from, transactions);
}

async function applyByPipeline({ source, destination, transactions }: ApplyBench, round: number): Promise<number> {
  const { from, ours, slot } = namesOf(round);
  await checkpoint([source, destination]);
  const pipeline = pipelineBetween({
    source,
    shards: [destination],
    from,
    to: ours,
    sharding: { tables: [{ column: "aid", dataType: "bigint", hasher: "postgres", mapping: [] }], schemas: [], omnisharded: [] },
    stages: [{ type: "replicate", until: "caught-up" }],
    slot,
  });
  let finished: Promise<unknown> | undefined;
  const seconds = await timed(async () => {
    finished = runPipeline({ pipeline, report: () => undefined, signal: new AbortController().signal });
    await Promise.race([lastRowIn(destination, ours, transactions), finished]);
  });
  await finished;
  await expectEqual({ source, destination }, from, ours);
  return seconds;
}

async function applyBySubscription({ source, destination, transactions }: ApplyBench, round: number): Promise<number> {
  const { from, theirs } = namesOf(round);
  await checkpoint([source, destination]);
  const subscription = subscriptionOf({ source, destination }, round);
  const seconds = await timed(async () => {
    await enableSubscription(subscription);
    await lastRowIn(destination, theirs, transactions);
  });
  await dropSubscription(subscription);
  await expectEqual({ source, destination }, from, theirs);
  return seconds;
}

async function endRound({ source, destination }: ApplyBench, round: number): Promise<void> {
  const { from, ours, theirs, slot } = namesOf(round);
  await execute(source, from, `SELECT pg_drop_replication_slot('${slot}_0')`);
  await execute(source, "postgres", `DROP DATABASE ${from} (FORCE)`);
  await execute(destination, "postgres", `DROP DATABASE ${ours} (FORCE)`, `DROP DATABASE ${theirs} (FORCE)`);
}

function subscriptionOf({ source, destination }: Pick<ApplyBench, "source" | "destination">, round: number) {
  const { from, theirs, subscription } = namesOf(round);
  return { name: subscription, source, from, destination, to: theirs, copyData: false };
}

/** The source committed it last, and both appliers commit in the source's order. */
async function lastRowIn(cluster: Cluster, database: string, hid: number): Promise<void> {
  await withSession(cluster, database, async (client) => {
    await until("the backlog's last row", async () => (await client.query({ name: "last", text: "SELECT FROM public.history WHERE hid = $1", values: [hid] })).rowCount === 1);
  });
}

async function expectEqual({ source, destination }: Pick<ApplyBench, "source" | "destination">, from: string, to: string): Promise<void> {
  const [expected, found] = await Promise.all([fingerprint(source, from), fingerprint(destination, to)]);
  if (found !== expected) throw new Error(`${to} differs from the source: ${found} instead of ${expected}`);
}
