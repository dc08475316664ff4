import { describe, expect, test } from "vitest";
import { failureOf } from "./failure-of.js";

/*
 * Slots, streams, shards and clock in memory; operators, fan-out, pacing, transactions and what decides whose a row is are
 * the real ones. Each seed is one migration from one to three source shards to one to four, with its own tables, changes,
 * moves, troubles and order of events. `SIMULATION_SEEDS=100000` runs that many,
 * `SIMULATION_FROM` says with which to begin, `SIMULATION_SEED=17` runs that one only.
 */
const ONE = numberFrom("SIMULATION_SEED");
const FROM = ONE ?? numberFrom("SIMULATION_FROM") ?? 1;
const SEEDS = ONE === undefined ? (numberFrom("SIMULATION_SEEDS") ?? 1000) : 1;
/** After so many the worker may answer the test runner, which otherwise takes it for hung. */
const SLICE = 200;

function numberFrom(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${name} is to be a whole number from 1, not "${text}"`);
  return Number(text);
}

describe("a simulated migration", () => {
  test(`seeds ${FROM} to ${FROM + SEEDS - 1}: each shard is at every commit what its progress says, and in the end has its share of the source`, { timeout: 60_000 + 100 * SEEDS }, async () => {
    for (let seed = FROM; seed < FROM + SEEDS; seed++) {
      const failure = failureOf(seed);
      if (failure !== undefined) expect.fail(failure.report);
      if (seed % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
