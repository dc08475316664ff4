import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { startWriters } from "../../src/demo/start-writers.js";
import { transactionKinds } from "../../src/demo/transaction-kinds.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { contents, newShop, validateForeignKeys } from "./shop.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

/** Fast enough for tests, slow enough for two cores. */
const transactionsPerSecond = 1500;

async function connectionsTo(client: pg.Client, database: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    "SELECT count(*)::integer FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
    [database],
  );
  return rows[0]!.count;
}

describe("startWriters", () => {
  it("does every kind of transaction, keeps all constraints, and can be started again", async () => {
    const client = await newShop(cluster, "shop", 20_000);
    const before = await contents(client);
    const writers = await startWriters(() => cluster.connect("shop"), 4, { seed: 7, transactionsPerSecond });
    await writers.until(({ transactions }) => Object.values(transactions).every((count) => count > 0));
    await writers.until(({ committed }) => committed >= 1500);
    const report = await writers.stop();

    expect(report.seed).toBe(7);
    expect(Object.keys(report.transactions)).toEqual(Object.keys(transactionKinds));
    expect(report.rolledBack).toBe(report.transactions.abandonOrder + report.transactions.deleteUserOrNot);
    expect(report.committed + report.rolledBack).toBe(Object.values(report.transactions).reduce((sum, count) => sum + count, 0));
    expect(report.savepointRollbacks).toBe(report.transactions.placeOrderAfterSecondThoughts);

    const after = await contents(client);
    for (const [table, { rows, digest }] of Object.entries(after)) {
      expect(rows, table).toBeGreaterThan(0);
      expect(digest, `${table} was written to`).not.toBe(before[table]!.digest);
    }
    expect(await validateForeignKeys(client)).toBeGreaterThan(10);

    // The same seed again: what the first run left must not stand in the way of the second.
    const again = await startWriters(() => cluster.connect("shop"), 4, { seed: 7, transactionsPerSecond });
    await again.until(({ committed }) => committed >= 500);
    await again.stop();
    await expect(again.until(() => false)).rejects.toMatchObject({ code: "DEMO_WRITERS_STOPPED" });
    expect(await validateForeignKeys(client)).toBeGreaterThan(10);
  });

  it("tries again after a serialization failure or a deadlock, and counts it", async () => {
    const client = await newShop(cluster, "conflicts", 2_000);
    await client.query(`
      CREATE SEQUENCE conflicts;
      CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        CASE nextval('conflicts') WHEN 1 THEN RAISE 'conflict' USING ERRCODE = 'serialization_failure';
          WHEN 2 THEN RAISE 'conflict' USING ERRCODE = 'deadlock_detected'; ELSE END CASE;
        RETURN NEW;
      END $$;
      CREATE TRIGGER conflict AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION conflict();
    `);
    const writers = await startWriters(() => cluster.connect("conflicts"), 1, { transactionsPerSecond });
    await writers.until(({ transactions }) => transactions.placeOrder > 0);
    expect((await writers.stop()).retried).toBe(2);
  });

  it("fails on anything else, stops all writers and closes their connections", async () => {
    const client = await newShop(cluster, "failing", 2_000);
    const writers = await startWriters(() => cluster.connect("failing"), 4, { transactionsPerSecond });
    await writers.until(({ committed }) => committed > 0);
    await client.query("DROP TABLE settings");
    await expect(writers.until(() => false)).rejects.toMatchObject({ code: "DEMO_WRITER_FAILED" });
    await expect(writers.stop()).rejects.toThrow(/relation "settings" does not exist/);
    await expect.poll(() => connectionsTo(client, "failing")).toBe(0);
  });

  it("leaves no connection behind when one cannot be made", async () => {
    const client = await newShop(cluster, "refusing", 2_000);
    let connections = 0;
    const connect = async (): Promise<pg.Client> => await cluster.connect(++connections === 3 ? "no such database" : "refusing");
    await expect(startWriters(connect, 4)).rejects.toMatchObject({ code: "3D000" });
    await expect.poll(() => connectionsTo(client, "refusing")).toBe(0);
  });
});
