import type pg from "pg";
import { expect, it } from "vitest";
import { fencedWork } from "../../src/pipelines/fenced-work.js";
import { MigrationLock } from "../../src/pipelines/migration-lock.js";
import { Sessions } from "../../src/pipelines/sessions.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf } from "../support/pipeline.js";

it("ends what is left of former work since the lock was taken, each time that it is, and since work failed", async () => {
  const cluster = await startTestCluster();
  const shard = addressOf({ cluster, database: "postgres" });
  const admin = await cluster.connect();
  const sessions = new Sessions("fenced");
  const lock = new MigrationLock(shard, sessions, "fenced");
  const context = { sessions, lock, shards: [shard] };
  const isThere = async (client: pg.Client): Promise<boolean> => await client.query("SELECT").then(() => true, () => false);
  const work = (): Promise<boolean> => fencedWork(context, () => Promise.resolve(true));
  const leftOver = (): Promise<pg.Client> => new Sessions("fenced").destination(shard, "schema");

  await lock.ensure();
  const first = await leftOver();
  await work();
  expect(await isThere(first)).toBe(false);

  // Nobody else can have begun any, and our own are kept for the next phase.
  const second = await leftOver();
  const own = await sessions.kept.open(shard, "schema");
  sessions.kept.keep(own, shard, "schema");
  await work();
  expect([await isThere(second), await isThere(own)]).toEqual([true, true]);

  const lost = new Promise((resolve) => { own.once("end", resolve); });
  await admin.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1", [sessions.applicationName("lock")]);
  await expect.poll(async () => {
    await lock.ensure();
    return lock.taken;
  }).toBe(2);
  await work();
  await lost;
  expect(await isThere(second)).toBe(false);

  await expect(fencedWork(context, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  const third = await leftOver();
  await work();
  expect(await isThere(third)).toBe(false);

  await Promise.all([sessions.kept.close(), lock.release(), admin.end()]);
});
