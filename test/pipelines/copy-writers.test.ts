import type pg from "pg";
import { beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { CopyWriters } from "../../src/pipelines/copy-writers.js";
import { Sessions } from "../../src/pipelines/sessions.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf } from "../support/pipeline.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

async function known(client: pg.Client): Promise<{ pid: number; name: string; role: string }> {
  const { rows } = await client.query<{ pid: number; name: string; role: string }>("SELECT pg_backend_pid() AS pid, current_setting('application_name') AS name, current_setting('session_replication_role') AS role");
  return rows[0]!;
}

it("go on with the next table under its name, are replaced where they are lost, and end", async () => {
  const sessions = new Sessions("writers");
  const writers = new CopyWriters(sessions);
  const shard = addressOf({ cluster, database: "postgres" });
  const first = await writers.open(shard, "copy 0.1");
  const other = await writers.open(shard, "copy 0.2");
  const before = await known(first);
  expect(before).toMatchObject({ name: sessions.applicationName("copy 0.1"), role: "replica" });
  expect((await known(other)).pid).not.toBe(before.pid);

  writers.keep(first, shard);
  const second = await writers.open(shard, "copy 0.3");
  expect(await known(second)).toEqual({ ...before, name: sessions.applicationName("copy 0.3") });

  writers.keep(second, shard);
  await other.query("SELECT pg_terminate_backend($1, 10000)", [before.pid]);
  const third = await writers.open(shard, "copy 0.4");
  const replaced = await known(third);
  expect(replaced).toMatchObject({ name: sessions.applicationName("copy 0.4"), role: "replica" });
  expect(replaced.pid).not.toBe(before.pid);

  writers.keep(third, shard);
  await writers.close();
  writers.keep(other, shard);
  const admin = await cluster.connect();
  await expect.poll(async () => (await admin.query("SELECT FROM pg_stat_activity WHERE application_name LIKE $1", [`${sessions.tag}%`])).rowCount).toBe(0);
  await admin.end();
});
