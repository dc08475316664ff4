import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { large, move, stand } from "../support/move.js";
import type { PlacedTable } from "../support/oracle.js";
import { eventsOf, hashed, runToEnd } from "../support/pipeline.js";
import { servers } from "../support/servers.js";

const byOwner = (name: string, more: Partial<PlacedTable> = {}): PlacedTable => ({ schema: "public", name, placement: { kind: "hash", column: "owner", type: "bigint" }, ...more });
const sharding = { tables: [hashed("owner", "bigint")] };

describe.each(servers)("case 8: publications, on PostgreSQL $version", ({ version, options }) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startTestCluster(options);
  });

  it("case 8: column lists", async () => {
    const columns = ["id", "owner", "body", "price"];
    const scene = await stand({
      cluster,
      name: `lists_${version}`,
      shards: 3,
      schema: `
        CREATE TABLE items (secret text DEFAULT 'unknown', id bigint PRIMARY KEY, owner bigint NOT NULL, hidden text, body text, price integer, late timestamptz);
        CREATE TABLE links (a bigint, secret text, owner bigint, PRIMARY KEY (a, owner));
        CREATE TABLE whole (id bigint PRIMARY KEY, owner bigint NOT NULL, body text);`,
      rows: `
        INSERT INTO items SELECT 'secret', i, i, ${large("i")}, ${large("-i")}, i, now() FROM generate_series(1, 60) i;
        INSERT INTO links SELECT i, 'secret', i FROM generate_series(1, 60) i; INSERT INTO whole SELECT i, i, 'body' FROM generate_series(1, 60) i;`,
      publication: "FOR TABLE items (price, owner, id, body), links (owner, a), whole",
      sharding,
      tables: [byOwner("items", { columns }), byOwner("links", { columns: ["a", "owner"] }), byOwner("whole")],
    });
    await move(scene, {
      async write(client, round) {
        await client.query(`
          INSERT INTO items VALUES ('secret', ${1000 + round}, ${round}, 'hidden', ${large(`${round}`)});
          UPDATE items SET price = price + 1, secret = 'new' WHERE id % 20 = ${round % 20}; UPDATE items SET owner = owner + 1 WHERE id % 20 = ${(round + 4) % 20};
          UPDATE items SET hidden = ${large(`-${round}`)} WHERE id % 20 = ${(round + 6) % 20}; UPDATE items SET body = hidden, hidden = body WHERE id % 20 = ${(round + 8) % 20};
          UPDATE items SET id = id + 10000, owner = owner + 1 WHERE id % 20 = ${(round + 10) % 20}; DELETE FROM items WHERE id % 10000 = ${960 + round};
          UPDATE links SET secret = 'new' WHERE a % 20 = ${round % 20}; UPDATE links SET owner = owner + 1 WHERE a % 20 = ${(round + 1) % 20}; INSERT INTO links VALUES (${1000 + round}, 'secret', ${round});
          UPDATE whole SET owner = owner + 1 WHERE id % 20 = ${round % 20}`);
      },
    });
    for (const { database } of scene.shards) {
      const shard = await cluster.connect(database);
      // What is not sent is as in a row that the shard makes itself.
      const items = await shard.query("SELECT count(*) > 0 AS some, count(*) FILTER (WHERE secret IS DISTINCT FROM 'unknown' OR hidden IS NOT NULL OR late IS NOT NULL) AS wrong FROM items");
      const links = await shard.query("SELECT count(*) > 0 AS some, count(secret) AS wrong FROM links");
      expect([items.rows, links.rows]).toEqual([[{ some: true, wrong: "0" }], [{ some: true, wrong: "0" }]]);
      await shard.end();
    }
  });

  it("case 8: a column list without the sharding key is refused", async () => {
    const scene = await stand({
      cluster,
      name: `unlisted_${version}`,
      schema: "CREATE TABLE items (id bigint PRIMARY KEY, owner bigint NOT NULL, body text); CREATE TABLE nameless (id bigint PRIMARY KEY, body text)",
      publication: "FOR TABLE items (id, body), nameless (body)",
      sharding,
      tables: [],
    });
    const message = expect.stringMatching(/items\.owner \(its sharding key; not in the publication's column list\), nameless\.id \(of its replica identity; not/) as string;
    await expect(runToEnd(scene.pipeline)).rejects.toMatchObject({ code: "COLUMN_NOT_PUBLISHED", message });
  });

  it("case 8: row filters, with rows that enter and leave them, and stay on either side", async () => {
    const scene = await stand({
      cluster,
      name: `filters_${version}`,
      shards: 3,
      schema: `
        CREATE TABLE places (id bigint, region text, owner bigint NOT NULL, body text, extra text, note text, PRIMARY KEY (id, region));
        CREATE TABLE whole (id bigint PRIMARY KEY, region text, owner bigint NOT NULL, body text, extra text, note text);
        ALTER TABLE whole REPLICA IDENTITY FULL;
        CREATE TABLE kept (id bigint PRIMARY KEY, region text, owner bigint NOT NULL, body text, extra text, note text);
        CREATE TABLE everywhere (id bigint, region text, body text, extra text, note text, PRIMARY KEY (id, region));
        CREATE TABLE parts (id bigint, region text, owner bigint NOT NULL, body text, extra text, note text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
        CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
        CREATE TABLE parts_rest PARTITION OF parts DEFAULT;`,
      rows: ["places", "whole", "kept", "parts"].map((name) => `INSERT INTO ${name} SELECT i, CASE i % 3 WHEN 0 THEN 'eu' WHEN 1 THEN 'us' ELSE 'asia' END, i, ${large("i")}, ${large("-i")}, 'note' FROM generate_series(1, 60) i;`).join("") + `INSERT INTO everywhere SELECT id, region, body, extra, note FROM places`,
      publication: `
        FOR TABLE places WHERE (region IN ('eu', 'asia')), whole WHERE (region = 'eu' AND (note IS NULL OR length(note) < 9)), kept WHERE (id % 2 = 0), everywhere WHERE (region <> 'us'),
          parts WHERE (region <> 'us' AND id > 5) WITH (publish_via_partition_root)`,
      sharding,
      tables: [
        byOwner("places", { where: "region IN ('eu', 'asia')" }), byOwner("whole", { where: "region = 'eu' AND (note IS NULL OR length(note) < 9)" }), byOwner("kept", { where: "id % 2 = 0" }),
        { schema: "public", name: "everywhere", placement: { kind: "everywhere" }, where: "region <> 'us'" },
        byOwner("parts_eu", { where: "id > 5" }), byOwner("parts_rest", { where: "region <> 'us' AND id > 5" }),
      ],
    });
    const regions = ["eu", "us", "asia"];
    await move(scene, {
      async write(client, round) {
        const rows = (step: number): string => `id % 30 = ${(round + step) % 30}`;
        const sharded = ["places", "whole", "kept", "parts"].flatMap((name) => [
          `INSERT INTO ${name} VALUES (${1000 + round}, '${regions[round % 3]!}', ${round}, ${large(`${round}`)}, 'short')`,
          // In and out, large values and all, with and without another shard or value.
          `UPDATE ${name} SET region = CASE region WHEN 'eu' THEN 'us' WHEN 'us' THEN 'eu' ELSE region END WHERE ${rows(0)}`,
          `UPDATE ${name} SET region = 'us', owner = owner + 1 WHERE ${rows(4)}`,
          `UPDATE ${name} SET region = 'eu', owner = owner + 3 WHERE ${rows(5)}`,
          `UPDATE ${name} SET region = 'eu', extra = ${large(`-${round}`)} WHERE ${rows(7)}`,
          `UPDATE ${name} SET note = ${round % 2 === 0 ? "'a long note'" : "NULL"} WHERE ${rows(9)}`,
          `UPDATE ${name} SET note = 'short', owner = owner + 1 WHERE ${rows(11)}`,
          `UPDATE ${name} SET id = id + 3001, owner = owner + 1 WHERE ${rows(13)} AND id < 50000`,
          `DELETE FROM ${name} WHERE ${rows(17)} AND id > 1000`,
          // A row that is in the filter for moments only.
          `UPDATE ${name} SET region = 'eu' WHERE ${rows(19)}`,
          `UPDATE ${name} SET region = 'us', body = 'short' WHERE ${rows(19)}`,
        ]);
        // Once in, a row gets another key before its values can be looked up, and another row gets the one it had.
        const steps = [
          ...sharded,
          `UPDATE everywhere SET region = CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END WHERE ${rows(0)} OR ${rows(1)}`,
          `UPDATE everywhere SET id = -id WHERE ${rows(0)}`,
          `UPDATE everywhere SET id = id - 1 WHERE ${rows(1)} AND id > 0 AND NOT EXISTS (SELECT FROM everywhere e WHERE e.id = everywhere.id - 1)`,
          `UPDATE everywhere SET id = id + 100000 WHERE ${rows(5)}`,
          `DELETE FROM everywhere WHERE ${rows(9)}; INSERT INTO everywhere VALUES (${1000 + round}, '${regions[round % 3]!}', ${large(`${round}`)})`,
        ];
        if (round % 2 === 0) await client.query(steps.join("; "));
        else for (const step of steps) await client.query(step);
      },
    });
  });

  it("case 8: FOR TABLES IN SCHEMA, and tables of other schemas beside them", async () => {
    const table = (name: string): string => `CREATE TABLE ${name} (id bigint PRIMARY KEY, owner bigint NOT NULL, body text); INSERT INTO ${name} SELECT i, i, 'body' FROM generate_series(1, 40) i;`;
    const scene = await stand({
      cluster,
      name: `schemas_${version}`,
      schema: `
        CREATE SCHEMA sales; CREATE SCHEMA "Old Data"; CREATE SCHEMA private;
        ${["sales.orders", "sales.lines", '"Old Data".orders', "public.orders", "public.unpublished", "private.orders"].map(table).join("")}
        CREATE TABLE sales.parts (id bigint PRIMARY KEY, owner bigint NOT NULL) PARTITION BY RANGE (id);
        CREATE TABLE private.parts_1 PARTITION OF sales.parts FOR VALUES FROM (1) TO (100);
        CREATE TABLE sales.parts_2 PARTITION OF sales.parts DEFAULT;
        INSERT INTO sales.parts SELECT i, i FROM generate_series(1, 40) i;`,
      publication: 'FOR TABLES IN SCHEMA sales, "Old Data", TABLE public.orders',
      sharding,
      tables: [["sales", "orders"], ["sales", "lines"], ["Old Data", "orders"], ["public", "orders"], ["private", "parts_1"], ["sales", "parts_2"]].map(([schema, name]) => byOwner(name!, { schema: schema! })),
    });
    const run = await move(scene, {
      async write(client, round) {
        for (const name of ["sales.orders", "sales.lines", '"Old Data".orders', "public.orders", "public.unpublished", "private.orders"]) {
          await client.query(`INSERT INTO ${name} VALUES (${1000 + round}, ${round}); UPDATE ${name} SET owner = owner + 1 WHERE id % 20 = ${round % 20}; DELETE FROM ${name} WHERE id = ${960 + round} OR id = ${round % 20}`);
        }
        await client.query(`INSERT INTO sales.parts VALUES (${1000 + round}, ${round}); UPDATE sales.parts SET id = -id, owner = owner + 1 WHERE id % 20 = ${round % 20}`);
      },
    });
    expect(run.verdicts.map(({ table: name }) => name)).toEqual(["Old Data.orders", "orders", "private.parts_1", "sales.lines", "sales.orders", "sales.parts_2"]);
    for (const { database } of scene.shards) {
      const shard = await cluster.connect(database);
      expect((await shard.query("SELECT FROM public.unpublished UNION ALL SELECT FROM private.orders")).rowCount).toBe(0);
      await shard.end();
    }
  });

  it("case 8: fewer kinds of change than all are refused, unless they are allowed: then verify tells what is missing", async () => {
    const scene = await stand({
      cluster,
      name: `partial_${version}`,
      schema: "CREATE TABLE events (id bigint PRIMARY KEY, owner bigint NOT NULL, body text); CREATE TABLE logs (id bigint PRIMARY KEY, owner bigint NOT NULL)",
      rows: "INSERT INTO events SELECT i, i, 'first' FROM generate_series(1, 40) i; INSERT INTO logs SELECT i, i FROM generate_series(1, 40) i",
      publication: "FOR ALL TABLES WITH (publish = 'insert, update')",
      sharding,
      tables: [],
    });
    await expect(runToEnd(scene.pipeline)).rejects.toMatchObject({ code: "PUBLICATION_INCOMPLETE", message: expect.stringContaining("delete, truncate") as string });
    const allowed = { ...scene.pipeline, allowPartialPublication: true };
    const run = await runToEnd(allowed, {
      async beforeStage(stage) {
        if (stage.type === "replicate") await scene.client.query("INSERT INTO events VALUES (100, 1, 'new'); UPDATE events SET owner = owner + 1; DELETE FROM events WHERE id <= 10; INSERT INTO logs VALUES (100, 1)");
      },
    });
    expect(eventsOf(run.events, "note").map(({ message }) => message)).toContainEqual(expect.stringMatching(/leaves out delete, truncate: .* verify, which compares all rows, shows them as differences/));
    // The deleted rows are still there, moved as the update had it; the table of which nothing was deleted is equal.
    expect(run.verdicts).toMatchObject([{ table: "events", equal: false, sourceRows: 31, misplaced: 0 }, { table: "logs", equal: true, sourceRows: 41 }]);
    expect(run.verdicts[0]!.shardRows.reduce((a, b) => a + b)).toBe(41);
    expect(run.sound).toBe(false);
    // Once they are deleted by hand both are equal, and everything that is sent goes on arriving.
    for (const { database } of scene.shards) {
      const shard = await cluster.connect(database);
      await shard.query("DELETE FROM events WHERE id <= 10");
      await shard.end();
    }
    await scene.client.query("INSERT INTO events VALUES (5, 3, 'again')");
    expect((await runToEnd(allowed)).sound).toBe(true);
  });
});
