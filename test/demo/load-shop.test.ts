import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { loadShop } from "../../src/demo/load-shop.js";
import { shopSchema } from "../../src/demo/shop-schema.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { contents, newShop, validateForeignKeys } from "./shop.js";

let cluster: Cluster;
let client: pg.Client;

beforeAll(async () => {
  cluster = await startTestCluster();
  client = await newShop(cluster, "shop", 20_000);
});

describe("loadShop", () => {
  it("gives the same rows every time, whatever the session's settings", async () => {
    await cluster.createDatabase("again");
    const again = await cluster.connect("again");
    await again.query("ALTER DATABASE again SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE again SET DateStyle = 'SQL, DMY'");
    await again.end();
    const other = await cluster.connect("again");
    await other.query(shopSchema);
    await loadShop([other, await cluster.connect("again")], 20_000);
    await other.query("SET TimeZone = 'GMT'; SET DateStyle = ISO");
    await client.query("SET TimeZone = 'GMT'; SET DateStyle = ISO");
    expect(await contents(other)).toEqual(await contents(client));
  });

  it("fills every table, about as full as asked for, and says how many rows there are", async () => {
    const counts = Object.values(await contents(client)).map(({ rows }) => rows);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    const total = counts.reduce((sum, rows) => sum + rows, 0);
    expect(Math.abs(total - 20_000)).toBeLessThan(400);

    await cluster.createDatabase("small");
    const small = await cluster.connect("small");
    await small.query(shopSchema);
    const loaded = await loadShop([small], 1);
    const rows = Object.values(await contents(small)).map((table) => table.rows);
    expect(Math.min(...rows)).toBeGreaterThan(0);
    expect(loaded).toBe(rows.reduce((sum, count) => sum + count, 0));
  });

  it("leaves no foreign key broken, although it does not check them row by row", async () => {
    expect(await validateForeignKeys(client)).toBeGreaterThan(10);
  });

  it("stores the large values out of line", async () => {
    const { rows } = await client.query(
      `SELECT (SELECT min(octet_length(body)) > 8192 FROM documents) AS large,
        pg_relation_size(reltoastrelid) > (SELECT sum(octet_length(body)) FROM documents) AS out_of_line
       FROM pg_class WHERE oid = 'documents'::regclass`,
    );
    expect(rows).toEqual([{ large: true, out_of_line: true }]);
  });

  it("lets sequences and identities go on after the loaded rows", async () => {
    await client.query("BEGIN");
    const order = await client.query("INSERT INTO orders (user_id) VALUES (1) RETURNING id = (SELECT max(id) + 1 FROM orders) AS next");
    const user = await client.query("INSERT INTO users (email, name, country) VALUES ('a@b', 'a', 'de') RETURNING id = (SELECT max(id) + 1 FROM users) AS next");
    await client.query("ROLLBACK");
    expect([order.rows, user.rows]).toEqual([[{ next: true }], [{ next: true }]]);
  });

  it("loads nothing where a table holds rows already", async () => {
    const before = await contents(client);
    await expect(loadShop([client], 100)).rejects.toMatchObject({ code: "23505" });
    expect(await contents(client)).toEqual(before);
  });
});
