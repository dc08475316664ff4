import { readFileSync } from "node:fs";
import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { freePort } from "../../src/embedded/free-port.js";
import { CUTOVER_STEPS, type CutoverStep } from "../../src/progress/cutover-journal.js";
import { Directory } from "../../src/serve/directory.js";
import { startTestCluster } from "../support/cluster.js";
import { APP_PASSWORD, databasesToml, generalToml, ServedFiles, usersToml } from "../support/served.js";
import { ServedProcess } from "../support/served-process.js";
import { KINDS, readTold, TOLD_SCHEMA, toldShardingToml, ToldWriters } from "../support/told-writers.js";

/*
 * A gateway that is killed (SIGKILL) at steps of cutovers, there and back, and in two-phase commits, while six kinds of
 * applications write through it. One story: each part begins where the one before ended.
 */

type Size = "one" | "two" | "three";

/** Of the database with so many shards. */
const shards: Record<Size, pg.Client[]> = { one: [], two: [], three: [] };
let files: ServedFiles;
let served: ServedProcess;
let writers: ToldWriters;

beforeAll(async () => {
  const settings = { max_prepared_transactions: 20 };
  const [old, fresh] = await Promise.all([startTestCluster({ settings }), startTestCluster({ settings })]);
  const places = {
    one: [{ cluster: old, database: "shop" }],
    two: [0, 1].map((number) => ({ cluster: fresh, database: `shop_${number}_of_2` })),
    three: [0, 1, 2].map((number) => ({ cluster: old, database: `shop_${number}_of_3` })),
  };
  for (const size of ["one", "two", "three"] as const) {
    for (const { cluster, database } of places[size]) {
      await cluster.createDatabase(database);
      shards[size].push(await cluster.connect(database));
    }
  }
  await shards.one[0]!.query(TOLD_SCHEMA);
  const port = await freePort();
  files = new ServedFiles(
    generalToml("two_phase_commit = true\ncutover_save_config = true", port) + databasesToml({ prod: places.one, prod_2x: places.two, prod_3x: places.three }) + toldShardingToml("prod_2x") + toldShardingToml("prod_3x"),
    usersToml(old),
  );
  served = new ServedProcess(files, port);
  await served.start();
  writers = await ToldWriters.start({ login: { host: "127.0.0.1", port, user: "app", password: APP_PASSWORD, database: "prod" }, writers: KINDS, thinks: 60, mayBreak: served.listening });
});

async function now(): Promise<string> {
  return (await shards.one[0]!.query<{ now: string }>("SELECT clock_timestamp()::text AS now")).rows[0]!.now;
}

/** Which of them the applications have sessions on that began since. */
async function writtenSince(since: string, sizes: readonly Size[]): Promise<Size[]> {
  const sessions = await Promise.all(sizes.map(async (size) => (await Promise.all(shards[size].map(async (client) => {
    const { rows } = await client.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'writer %' AND backend_start > $1", [since]);
    return rows.length;
  }))).some((count) => count > 0)));
  return sizes.filter((_, index) => sessions[index]);
}

/**
 * Kills cutovers of the task that replicates from one to the other at these steps, and then those back.
 *
 * @returns what became of each
 */
async function killThereAndBack(steps: readonly CutoverStep[], from: Size, to: Size): Promise<string[]> {
  const outcomes: string[] = [];
  for (const [direction, source, destination] of [["there", from, to], ["back", to, from]] as const) {
    for (const step of steps) {
      const before = await served.replicating();
      await writers.more(30);
      await served.killAt(step, before.id);
      const since = await now();
      await served.start();
      await writers.more(30);
      const sides = await writtenSince(since, [source, destination]);
      expect(sides).toHaveLength(1);
      // Applications go on at once where the routing file leads them; the task follows.
      const outcome = sides[0] === source ? "undone" : "finished";
      const after = await (outcome === "undone" ? served.replicating() : served.replicating(before.id));
      if (outcome === "undone") expect(after.id).toBe(before.id);
      outcomes.push(`${direction}, killed at ${step}: ${outcome}`);
      // Undone, it can be done; finished, the next step needs the same direction again.
      if (step === steps.at(-1) || outcome === "undone") continue;
      await served.cutOver(after.id);
      await served.replicating(after.id);
    }
  }
  return outcomes;
}

/** A kill at the switch comes before or after the file is written. */
function expectedOutcomes(steps: readonly CutoverStep[]): unknown[] {
  const outcome = (step: CutoverStep): string => (step === "switch" ? "(undone|finished)" : step === "resume" ? "finished" : "undone");
  return ["there", "back"].flatMap((direction) => steps.map((step) => expect.stringMatching(`^${direction}, killed at ${step}: ${outcome(step)}$`) as unknown));
}

/** What the databases are called, by their first shard's database. */
function namesIn(of: ServedFiles): Record<string, string> {
  return Object.fromEntries(new Directory(of, {}).databases.map(({ name, shards: [first] }) => [first!.primary.database, name]));
}

/** What two-phase commits have on the way on the two shards. */
async function prepared(): Promise<readonly string[]> {
  return (await shards.two[0]!.query<{ gid: string }>("SELECT gid FROM pg_prepared_xacts")).rows.map(({ gid }) => gid);
}

/** At each step, there and back. */
async function fromOneToTwo(): Promise<void> {
  await served.command("COPY_DATA prod prod_2x all_tables");
  expect(await killThereAndBack(CUTOVER_STEPS, "one", "two")).toEqual(expectedOutcomes(CUTOVER_STEPS));
}

/** What was left prepared is finished at once, by the next process. */
async function inTwoPhaseCommits(): Promise<void> {
  const { id } = await served.replicating();
  await served.cutOver(id);
  await served.replicating(id);
  let left: readonly string[] = [];
  while (left.length === 0) {
    await writers.more(30);
    while ((await prepared()).length === 0);
    await served.kill();
    left = await prepared();
    if (left.length === 0) await served.start();
  }
  await served.start();
  await expect.poll(async () => (await prepared()).filter((gid) => left.includes(gid)), { timeout: 5000 }).toEqual([]);
  await writers.more(30);
}

/** At the switch and after it, there and back. */
async function fromTwoToThree(): Promise<void> {
  const { id } = await served.replicating();
  await served.command(`STOP_TASK ${id}`);
  await served.command("COPY_DATA prod prod_3x all_tables");
  const steps = ["switch", "resume"] as const;
  expect(await killThereAndBack(steps, "two", "three")).toEqual(expectedOutcomes(steps));
}

test("killed at steps of cutovers and in two-phase commits: one side is in charge, and all that was told is there", async () => {
  await fromOneToTwo();
  await inTwoPhaseCommits();
  await fromTwoToThree();
  await writers.stop();
  expect(writers.faults(await readTold(shards.two))).toEqual([]);
  // What streams catches up.
  await expect.poll(async () => writers.faults(await readTold(shards.three)), { timeout: 30_000 }).toEqual([]);
  expect(await prepared()).toEqual([]);
  // The saved files say by themselves what they say with the routing file.
  const alone = new ServedFiles(readFileSync(files.config, "utf8"), readFileSync(files.users, "utf8"));
  expect(namesIn(alone)).toEqual(namesIn(files));
}, 600_000);
