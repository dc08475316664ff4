import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { CutoverSettings, Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { cutOver, type CutoverResult, settleCutover } from "../../src/pipelines/cutover.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { LiveReplication } from "../../src/pipelines/live-replication.js";
import { type Migration, migrationId, openMigration } from "../../src/pipelines/migration.js";
import { reversePipeline } from "../../src/pipelines/reverse-pipeline.js";
import { Sessions } from "../../src/pipelines/sessions.js";
import { showCutover } from "../../src/pipelines/show-cutover.js";
import type { Traffic } from "../../src/pipelines/traffic.js";
import { WayBack } from "../../src/pipelines/way-back.js";
import { CUTOVER_STEPS } from "../../src/progress/cutover-journal.js";
import { startTestCluster } from "../support/cluster.js";
import { type App, AppWriters, makeApp, wrongEntries } from "../support/cutover-app.js";
import { runToEnd } from "../support/pipeline.js";
import { moment } from "../support/moment.js";

/* One application, which writes all the time, and cutovers that are given up: after each it goes on at the source, and replication too. */

let cluster: Cluster;
/** The shards': what is left open on the source would hold up the slots of the way back, were they on one server. */
let apart: Cluster;
let app: App;
let writers: AppWriters;
let migration: Migration;
let replication: LiveReplication;
let events: PipelineEvent[] = [];
let onEvent: (event: PipelineEvent) => void = () => undefined;
let source: pg.Client;
let shard: pg.Client;

beforeAll(async () => {
  cluster = await startTestCluster({ settings: { max_prepared_transactions: 5 } });
  apart = await startTestCluster();
  app = await makeApp(cluster, "aborted", { shardCluster: apart, cutover: { timeout: 20_000 } });
  expect((await runToEnd(app.pipeline)).sound).toBe(true);
  source = await cluster.connect(app.source[0]!.database);
  shard = await apart.connect(app.shards[0]!.database);
  writers = await AppWriters.start(app);
  migration = await openMigration({ pipeline: app.pipeline, report: (event) => { events.push(event); onEvent(event); }, signal: new AbortController().signal });
  replication = new LiveReplication(migration);
  replication.start();
});
afterAll(async () => {
  await writers.stop();
  await replication.stop();
  await migration.close();
  await Promise.all([source.end(), shard.end()]);
});

async function attempt(cutover: Partial<CutoverSettings> = {}, signal = new AbortController().signal): Promise<CutoverResult> {
  events = [];
  app.gate.calls.length = 0;
  onTestFinished(() => {
    app.gate.before = () => undefined;
    onEvent = () => undefined;
  });
  const pipeline = { ...app.pipeline, cutover: { ...app.pipeline.cutover, verify: false, ...cutover } };
  return await cutOver({ migration: { ...migration, pipeline }, traffic: app.gate.trafficOf(pipeline), replication, signal });
}

/** As if nothing had happened. */
async function expectUndone(paused: boolean): Promise<void> {
  expect(app.gate.isClosed).toBe(false);
  expect(app.gate.inCharge).toBe(app.pipeline.from.name);
  expect(app.gate.calls.includes("pause")).toBe(paused);
  expect(replication.isRunning).toBe(true);
  expect((await shard.query("SELECT FROM pg_replication_slots")).rowCount).toBe(0);
  const [row] = await showCutover(app.pipeline);
  expect(row).toMatchObject({ direction: "forward", state: "aborted", endedAt: expect.any(Date) as Date });
  expect(row!.reason).toEqual(events.find((event) => event.type === "cutover-ended")!.reason);
  await writers.more(10);
  await replication.lag(new AbortController().signal);
}

/** A session that goes past the gate. */
async function bypasser(): Promise<pg.Client> {
  const client = await cluster.connect(app.source[0]!.database);
  await client.query("SET application_name = 'nightly job'");
  return client;
}

const rejection = async (promise: Promise<unknown>): Promise<{ code: string; message: string }> => await promise.then(
  () => { throw new Error("it was cut over"); },
  (error: unknown) => error as { code: string; message: string },
);

it("what watches while the slots of a way back wait leaves no session", async () => {
  events = [];
  const wayBack = new WayBack(migration, reversePipeline(app.pipeline));
  await shard.query("BEGIN; SELECT pg_current_xact_id()");
  const making = wayBack.makeSlots(new AbortController().signal);
  await expect.poll(() => events.some((event) => event.type === "note" && event.message.includes("a snapshot waits for")), { timeout: 30_000 }).toBe(true);
  await shard.query("ROLLBACK");
  await making;
  await wayBack.dropSlots();
  const left = async (): Promise<number> => (await shard.query("SELECT FROM pg_stat_activity WHERE starts_with(application_name, $1)", [new Sessions(wayBack.id).tag])).rowCount!;
  await expect.poll(left).toBe(0);
});

describe("a cutover is given up", () => {
  it("where somebody commits past the pause", async () => {
    const client = await bypasser();
    let stopped = false;
    let writing: Promise<void> | undefined;
    app.gate.before = (method) => {
      if (method === "pause") writing = (async () => { while (!stopped) await client.query("INSERT INTO kinds SELECT max(id) + 1, 'past' FROM kinds"); })();
    };
    const error = await rejection(attempt());
    stopped = true;
    await writing;
    await client.end();
    expect(error.code).toBe("CUTOVER_BYPASSED");
    expect(error.message).toMatch(/nightly job \(user postgres, from 127\.0\.0\.1, process \d+\)/);
    // Those of the application go through the gate.
    expect(error.message.match(/process \d+/g)!.some((process) => app.gate.processes.has(Number(process.slice(8))))).toBe(false);
    await expectUndone(true);
  });

  it("where somebody's transaction is open past the pause", async () => {
    const client = await bypasser();
    app.gate.before = async (method) => {
      if (method === "pause") await client.query("BEGIN; INSERT INTO kinds SELECT max(id) + 1, 'past' FROM kinds");
    };
    const error = await rejection(attempt({ drainTimeout: 100 }));
    await client.query("COMMIT");
    await client.end();
    expect(error).toMatchObject({ code: "CUTOVER_BYPASSED", message: expect.stringContaining("a transaction that wrote is still open") as string });
    expect(error.message).toContain("nightly job");
    await expectUndone(true);
  });

  it("where a transaction is prepared, before and after the pause", async () => {
    const client = await bypasser();
    app.gate.before = async (method) => {
      if (method === "pause") await client.query("BEGIN; INSERT INTO kinds SELECT max(id) + 1, 'past' FROM kinds; PREPARE TRANSACTION 'later'");
    };
    const prepared = { code: "CUTOVER_PREPARED_TRANSACTIONS", message: expect.stringContaining("'later' of postgres") as string };
    expect(await rejection(attempt())).toMatchObject(prepared);
    await expectUndone(true);
    expect(await rejection(attempt())).toMatchObject(prepared);
    await expectUndone(false);
    await client.query("COMMIT PREPARED 'later'");
    await client.end();
  });

  it("not for transactions that are prepared and committed all the time, and one that is committed within the pause", async () => {
    const client = await bypasser();
    const paused = new AbortController();
    let prepared = 0;
    const writing = (async () => {
      for (;;) {
        await client.query("BEGIN; INSERT INTO kinds SELECT max(id) + 1, 'passing' FROM kinds; PREPARE TRANSACTION 'passing'");
        prepared += 1;
        // One is there nearly all the time; their names are the same.
        await moment();
        if (paused.signal.aborted) return;
        await client.query("COMMIT PREPARED 'passing'");
      }
    })();
    app.gate.before = async (method) => {
      if (method === "pause") {
        paused.abort();
        await writing;
        setTimeout(() => void client.query("COMMIT PREPARED 'passing'").then(() => client.end()), 50);
      }
      if (method === "switch") throw new Error("as far as the switch");
    };
    expect(await rejection(attempt())).toMatchObject({ message: "as far as the switch" });
    expect(prepared).toBeGreaterThan(1);
    await expectUndone(true);
  });

  it("where a transaction of the application does not end in time", async () => {
    await app.gate.enter();
    expect(await rejection(attempt({ drainTimeout: 50 }))).toMatchObject({ code: "CUTOVER_DRAIN_TIMEOUT" });
    app.gate.leave();
    await expectUndone(true);
  });

  it("where the shards lag", async () => {
    await shard.query("BEGIN; LOCK TABLE lines IN EXCLUSIVE MODE");
    await writers.more(50);
    const error = await rejection(attempt({ stopThreshold: 100, timeout: 200 }));
    await shard.query("COMMIT");
    expect(error).toMatchObject({ code: "CUTOVER_LAG" });
    await expectUndone(false);
  });

  it("where rows differ", async () => {
    await shard.query("UPDATE kinds SET title = 'other' WHERE id = 1");
    expect(await rejection(attempt({ verify: true }))).toMatchObject({ code: "CUTOVER_UNVERIFIED", message: expect.stringContaining("kinds") as string });
    await shard.query("UPDATE kinds SET title = 'one' WHERE id = 1");
    await expectUndone(false);
  });

  it("where there would be no way back", async () => {
    await shard.query("INSERT INTO entries SELECT 3000000000, min(id), 0, 0 FROM owners");
    expect(await rejection(attempt())).toMatchObject({ code: "KEYS_TOO_LARGE" });
    await shard.query("DELETE FROM entries WHERE id = 3000000000");
    await expectUndone(false);
  });

  it("where it takes too long, but not where it is to wait", async () => {
    const hold = async (method: string): Promise<void> => {
      if (method !== "pause") return;
      await shard.query("BEGIN; LOCK TABLE lines IN EXCLUSIVE MODE");
      await writers.more(50);
    };
    app.gate.before = hold;
    expect(await rejection(attempt({ timeout: 300, stopThreshold: 10_000_000 }))).toMatchObject({ code: "CUTOVER_TIMEOUT" });
    await shard.query("COMMIT");
    await expectUndone(true);
    app.gate.before = hold;
    // It would wait until it is told otherwise, or the shards have everything.
    const stop = new AbortController();
    onEvent = (event) => {
      if (event.type === "note" && event.message.includes("cutover_timeout is over")) stop.abort();
    };
    expect(await rejection(attempt({ timeout: 300, timeoutAction: "cutover", stopThreshold: 10_000_000 }, stop.signal))).toMatchObject({ code: "INTERRUPTED" });
    await shard.query("COMMIT");
    await expectUndone(true);
  });

  it("where the source's session is lost while applications wait", async () => {
    app.gate.before = async (method) => {
      if (method === "pause") await source.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pg-reshard % cutover'");
    };
    await rejection(attempt());
    await expectUndone(true);
  });

  it.each(["pause", "switch"] as const)("where the traffic fails to %s", async (failing) => {
    app.gate.before = (method) => {
      if (method === failing) throw new Error(`no ${failing}`);
    };
    expect(await rejection(attempt())).toMatchObject({ message: `no ${failing}` });
    await expectUndone(true);
  });

  it.each(["ready", "drain", "finish"] as const)("where the operator stops it at %s", async (step) => {
    const stop = new AbortController();
    onEvent = (event) => {
      if (event.type === "cutover-step" && event.state === "began" && event.step === step) stop.abort();
    };
    expect(await rejection(attempt({}, stop.signal))).toMatchObject({ code: "INTERRUPTED" });
    await expectUndone(step !== "ready" && app.gate.calls.includes("pause"));
  });

  it("where the operator stops it within cutover_last_transaction_delay, and nothing has waited yet", async () => {
    const stop = new AbortController();
    const stopped = rejection(attempt({ lastTransactionDelay: 3_600_000 }, stop.signal));
    while ((await source.query("SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg-reshard % cutover' AND state = 'idle'")).rowCount === 0) await moment();
    stop.abort();
    expect(await stopped).toMatchObject({ code: "INTERRUPTED" });
    await expectUndone(false);
  });

  it("and not once the switch has begun; all that was acknowledged is there", async () => {
    const stop = new AbortController();
    app.gate.before = (method) => {
      if (method === "switch") stop.abort();
    };
    const { paused, durations } = await attempt({ lastTransactionDelay: 400 }, stop.signal);
    expect(paused).toBeGreaterThan(0);
    // What cutover_last_transaction_delay adds, before applications wait. A timer may be a millisecond early.
    expect(durations.ready).toBeGreaterThanOrEqual(399);
    expect(Object.keys(durations).sort()).toEqual([...CUTOVER_STEPS].sort());
    expect(app.gate.inCharge).toBe(app.pipeline.to.name);
    expect(replication.isRunning).toBe(false);
    expect(await showCutover(app.pipeline)).toMatchObject([{ state: "done", steps: CUTOVER_STEPS.map((step) => ({ step, state: "done", elapsed: expect.any(Number) as number })) }]);
    await writers.more(20);
    await writers.stop();
    expect(await wrongEntries(app.shards, writers.acknowledged)).toEqual([]);
  });
});

describe("a cutover of which nobody can say whether it switched", () => {
  it("is left paused, and switched again by the process that finds it, but not where the source was written to", async () => {
    const { gate, pipeline, source: [old] } = await makeApp(cluster, "uncertain", { shardCluster: apart, cutover: { verify: false } });
    expect((await runToEnd(pipeline)).sound).toBe(true);
    let broken = true;
    const trafficOf = (way: Pipeline): Traffic => ({
      ...gate.trafficOf(way),
      switch: () => (broken ? Promise.reject(new Error("no answer")) : gate.trafficOf(way).switch()),
      inCharge: () => Promise.resolve(undefined),
    });
    const { signal } = new AbortController();
    const opened = await openMigration({ pipeline, report: () => undefined, signal });
    expect(await rejection(cutOver({ migration: opened, traffic: trafficOf(pipeline) }))).toMatchObject({ code: "CUTOVER_UNCERTAIN", message: expect.stringContaining("no answer") as string });
    expect(gate.isClosed).toBe(true);
    expect(await rejection(cutOver({ migration: opened, traffic: trafficOf(pipeline) }))).toMatchObject({ code: "CUTOVER_UNFINISHED" });
    await opened.close();
    expect(await showCutover(pipeline)).toMatchObject([{ state: "running", step: "switch" }]);
    const settle = async (): Promise<unknown> => await settleCutover({ pipeline, trafficOf, report: () => undefined, signal });
    const client = await cluster.connect(old!.database);
    await client.query("BEGIN; INSERT INTO kinds VALUES (9, 'past')");
    expect(await rejection(settle())).toMatchObject({ code: "CUTOVER_UNCERTAIN", cause: { code: "CUTOVER_BYPASSED" } });
    await client.query("ROLLBACK");
    await client.end();
    expect(await rejection(settle())).toMatchObject({ code: "CUTOVER_UNCERTAIN" });
    expect(gate.isClosed).toBe(true);
    broken = false;
    expect(await settle()).toEqual({ inCharge: "destination", finished: migrationId(pipeline) });
    expect(gate.isClosed).toBe(false);
    expect(gate.inCharge).toBe(pipeline.to.name);
  });
});
