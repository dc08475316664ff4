import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { play, plays } from "./play.js";

/*
 * Plays drawn at random: see play.ts. MODEL_SEEDS=500 plays so many, from MODEL_SEED (1) on; MODEL_SEED alone plays that
 * one again. What is written is the same each time, how it meets the run in the background is not. MODEL_SHRINK=1 lets
 * fast-check look for a smaller play that fails too.
 */
const FIRST = Number(process.env["MODEL_SEED"] ?? 1);
const SEEDS = Number(process.env["MODEL_SEEDS"] ?? (process.env["MODEL_SEED"] === undefined ? 6 : 1));
const SHRINK = process.env["MODEL_SHRINK"] === "1";

let cluster: Cluster;

beforeAll(async () => {
  // Commits are on disk soon also where nobody waits for them, so that an idle source is soon seen to be.
  cluster = await startTestCluster({ settings: { wal_writer_delay: "10ms", autovacuum: "off", max_replication_slots: 80, max_wal_senders: 80 } });
});

describe("whatever is written and whatever goes wrong meanwhile", () => {
  it.each(Array.from({ length: SEEDS }, (_, index) => FIRST + index))("every row arrives (seed %i)", async (seed) => {
    const run = await fc.check(fc.asyncProperty(plays, (drawn) => play(cluster, drawn)), { seed, numRuns: 1, plugins: [fc.unbiased()], endOnFailure: !SHRINK });
    if (!run.failed) return;
    const replay = `MODEL_SEED=${seed} npx vitest run test/model`;
    throw new Error(`Play it again: ${replay}\n${run.errorInstance instanceof Error ? run.errorInstance.message : fc.defaultReportMessage(run)}`, { cause: run.errorInstance });
  }, SHRINK ? 1_800_000 : 120_000);
});
