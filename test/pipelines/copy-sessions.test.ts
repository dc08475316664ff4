import type pg from "pg";
import { beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { CopySessions } from "../../src/pipelines/copy-sessions.js";
import { Sessions } from "../../src/pipelines/sessions.js";
import { openSnapshot } from "../../src/sources/open-snapshot.js";
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

it("writers go on with the next table under its name, are replaced where they are lost, and end", async () => {
  const sessions = new Sessions("writers");
  const writers = new CopySessions(sessions);
  const shard = addressOf({ cluster, database: "postgres" });
  const first = await writers.openWriter(shard, "copy 0.1");
  const other = await writers.openWriter(shard, "copy 0.2");
  const before = await known(first);
  expect(before).toMatchObject({ name: sessions.applicationName("copy 0.1"), role: "replica" });
  expect((await known(other)).pid).not.toBe(before.pid);

  writers.keepWriter(first, shard);
  const second = await writers.openWriter(shard, "copy 0.3");
  expect(await known(second)).toEqual({ ...before, name: sessions.applicationName("copy 0.3") });

  writers.keepWriter(second, shard);
  await other.query("SELECT pg_terminate_backend($1, 10000)", [before.pid]);
  const third = await writers.openWriter(shard, "copy 0.4");
  const replaced = await known(third);
  expect(replaced).toMatchObject({ name: sessions.applicationName("copy 0.4"), role: "replica" });
  expect(replaced.pid).not.toBe(before.pid);

  writers.keepWriter(third, shard);
  await writers.close();
  writers.keepWriter(other, shard);
  const admin = await cluster.connect();
  await expect.poll(async () => (await admin.query("SELECT FROM pg_stat_activity WHERE application_name LIKE $1", [`${sessions.tag}%`])).rowCount).toBe(0);
  await admin.end();
});

it("readers go on with the next table's snapshot, and keep no slot meanwhile", async () => {
  const sessions = new Sessions("readers");
  const readers = new CopySessions(sessions);
  const source = addressOf({ cluster, database: "postgres" });
  const admin = await cluster.connect();
  await admin.query("CREATE TABLE read (id int)");
  const slots = async (): Promise<number> => (await admin.query("SELECT FROM pg_replication_slots")).rowCount!;
  const rows = async (client: pg.Client): Promise<number> => (await client.query("SELECT FROM public.read")).rowCount!;
  const first = await readers.openReader(source, "copy 0.1");
  const before = await openSnapshot(first);
  await admin.query("INSERT INTO read VALUES (1)");
  expect([await rows(first), await slots()]).toEqual([0, 1]);
  await first.query("COMMIT");
  await readers.keepReader(first, source);
  expect(await slots()).toBe(0);

  const second = await readers.openReader(source, "copy 0.2");
  expect(second).toBe(first);
  expect(await openSnapshot(second)).toBeGreaterThan(before);
  await admin.query("INSERT INTO read VALUES (2)");
  expect([await rows(second), await slots()]).toEqual([1, 1]);
  expect((await admin.query("SELECT FROM pg_stat_activity WHERE application_name = $1", [sessions.applicationName("copy 0.2")])).rowCount).toBe(1);
  await second.query("COMMIT");

  // One whose slot cannot be dropped, for it is lost, is not kept.
  await admin.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1", [sessions.applicationName("copy 0.2")]);
  await readers.keepReader(second, source);
  const third = await readers.openReader(source, "copy 0.3");
  expect(third).not.toBe(second);
  await readers.keepReader(third, source);
  await readers.close();
  await expect.poll(async () => (await admin.query("SELECT FROM pg_stat_activity WHERE application_name LIKE $1", [`${sessions.tag}%`])).rowCount).toBe(0);
  await admin.query("DROP TABLE read");
  await admin.end();
});
