import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { databasesToml, GENERAL_TOML, Served, ServedFiles, usersToml } from "../support/served.js";

let old: Cluster;
let fresh: Cluster;
let served: Served;
beforeAll(async () => {
  [old, fresh] = await Promise.all([startTestCluster(), startTestCluster()]);
  await old.createDatabase("shop");
  await fresh.createDatabase("shop");
  const client = await old.connect("shop");
  await client.query("CREATE TABLE entries (id bigserial PRIMARY KEY, writer int NOT NULL, number int NOT NULL); CREATE PUBLICATION all_tables FOR ALL TABLES");
  await client.end();
  served = await Served.start(new ServedFiles(GENERAL_TOML + databasesToml({ prod: [{ cluster: old, database: "shop" }], prod_2x: [{ cluster: fresh, database: "shop" }] }), usersToml(old)));
});
afterAll(async () => { await served.serving.close(); });

class Writer {
  done = 0;
  longest = 0;
  #stop = false;
  readonly loop: Promise<void>;
  constructor(client: pg.Client, number: number) {
    this.loop = (async () => {
      while (!this.#stop) {
        const began = performance.now();
        await client.query("BEGIN");
        await client.query("INSERT INTO entries (writer, number) VALUES ($1, $2)", [number, this.done]);
        await client.query("COMMIT");
        this.longest = Math.max(this.longest, performance.now() - began);
        this.done++;
      }
      await client.end();
    })();
    this.loop.catch(() => undefined);
  }
  async stop(): Promise<void> {
    this.#stop = true;
    await this.loop;
  }
}

async function until(client: pg.Client, sql: string, holds: (rows: Record<string, string>[]) => boolean): Promise<Record<string, string>[]> {
  for (;;) {
    const { rows } = await client.query<Record<string, string>>(sql);
    if (holds(rows)) return rows;
    const failed = rows.find((row) => row["status"]?.startsWith("failed"));
    if (failed !== undefined) throw new Error(JSON.stringify(failed));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("RESHARD, and back", async () => {
  const writers = await Promise.all([0, 1, 2, 3].map(async (number) => new Writer(await served.client("prod"), number)));
  const admin = await served.admin();
  await admin.query("RESHARD prod prod_2x all_tables");
  await until(admin, "SHOW TASKS", (tasks) => tasks.some((task) => task["type"] === "replication prod -> prod_2x (reverse)" && task["inner_status"] === "replicating"));
  const target = writers[0]!.done + 100;
  while (writers[0]!.done < target) await Promise.race([writers[0]!.loop, new Promise((resolve) => setTimeout(resolve, 10))]);
  await Promise.all(writers.map((writer) => writer.stop()));
  const there = await fresh.connect("shop");
  const counted = await there.query<{ writer: number; count: string }>("SELECT writer, count(*) FROM entries GROUP BY 1 ORDER BY 1");
  expect(counted.rows.map(({ count }) => Number(count))).toEqual(writers.map(({ done }) => done));
  await there.end();
  await admin.end();
}, 60_000);
