import type pg from "pg";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Pipeline } from "../../src/config/types.js";
import { startWriters } from "../../src/demo/start-writers.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { isSound, type TableVerdict } from "../../src/pipelines/table-verdict.js";
import { newShop } from "../demo/shop.js";
import { startTestCluster } from "../support/cluster.js";
import { eventsOf, runToEnd } from "../support/pipeline.js";
import { newShards, shopPipeline } from "../support/shop.js";

const SHARDS = 3;

let cluster: Cluster;
let pipeline: Pipeline;
/** Sessions on the shards that do what only a stranger would; triggers and foreign keys do not fire for them. */
let shards: pg.Client[];
let before: readonly TableVerdict[];

beforeAll(async () => {
  cluster = await startTestCluster();
  const source = { cluster, database: "shop" };
  await (await newShop(cluster, "shop", 1500)).end();
  const places = await newShards(cluster, "shard", SHARDS);
  pipeline = shopPipeline(source, places);
  const run = await runToEnd(pipeline);
  expect(run.sound).toBe(true);
  before = run.verdicts;
  shards = await Promise.all(places.map(({ database }) => cluster.connect(database)));
  // The publication came with the schema; it would refuse deletions from a table whose key is gone.
  for (const shard of shards) await shard.query("SET session_replication_role = replica; DROP PUBLICATION demo");
});

const verdictOf = (verdicts: readonly TableVerdict[], table: string): TableVerdict => verdicts.find((verdict) => verdict.table === table)!;

interface Tampering {
  readonly what: string;
  readonly table: string;
  readonly tamper: () => Promise<void>;
  /** How many rows more each shard has then. */
  readonly rows?: readonly [number, number, number];
  readonly equal?: boolean;
  readonly misplaced?: number;
  /** Afterwards, when the rows are put back. */
  readonly undo?: () => Promise<unknown>;
}

const run = async (shard: number, text: string): Promise<void> => {
  const { rowCount } = await shards[shard]!.query(text);
  expect(rowCount, text).toBeGreaterThan(0);
};

/** Copies one row of one shard to another. */
const carry = async (table: string, columns: string, from: number, to: number): Promise<void> => {
  const { rows } = await shards[from]!.query<{ row: unknown }>(`SELECT to_jsonb(t) AS row FROM ${table} t LIMIT 1`);
  await shards[to]!.query(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM jsonb_populate_record(NULL::${table}, $1)`, [JSON.stringify(rows[0]!.row)]);
};
const DEVICE = "id, model, serial_number, limits, last_address, seen_at";

const tamperings: readonly Tampering[] = [
  { what: "a row was deleted on a shard", table: "users", tamper: () => run(1, "DELETE FROM users WHERE id = (SELECT min(id) FROM users)"), rows: [0, -1, 0] },
  { what: "all rows of a table were deleted on a shard", table: "sessions", tamper: () => run(0, "DELETE FROM sessions"), rows: [-Infinity, 0, 0] },
  { what: "one character of a large value was changed", table: "documents", tamper: () => run(2, "UPDATE documents SET body = overlay(body placing '!' from 5000 for 1) WHERE id = (SELECT min(id) FROM documents)") },
  { what: "an empty value stands for NULL", table: "users", tamper: () => run(0, "UPDATE users SET avatar = '' WHERE id = (SELECT min(id) FROM users WHERE avatar IS NULL)") },
  { what: "two rows have exchanged a value", table: "orders", tamper: () => run(0, `UPDATE orders o SET total = x.total FROM
      (SELECT id, coalesce(lead(total) OVER (ORDER BY id), first_value(total) OVER (ORDER BY id)) AS total FROM (SELECT DISTINCT ON (total) id, total FROM orders ORDER BY total LIMIT 2) y) x WHERE o.id = x.id`) },
  { what: "a row was moved to another shard", table: "devices", tamper: async () => {
    await carry("devices", DEVICE, 0, 2);
    await run(0, "DELETE FROM devices WHERE ctid = (SELECT ctid FROM devices LIMIT 1)");
  }, rows: [-1, 0, 1], equal: true, misplaced: 1 },
  { what: "a row is there twice, once on a shard where it does not belong", table: "devices", tamper: () => carry("devices", DEVICE, 1, 0), rows: [1, 0, 0], misplaced: 1 },
  { what: "a row is there twice on its own shard", table: "user_tags", tamper: async () => {
    await shards[1]!.query("ALTER TABLE user_tags DROP CONSTRAINT user_tags_pkey");
    await carry("user_tags", "user_id, tag_id", 1, 1);
  }, rows: [0, 1, 0], undo: () => shards[1]!.query("ALTER TABLE user_tags ADD PRIMARY KEY (user_id, tag_id)") },
  { what: "one row is missing and another is there twice", table: "user_tags", tamper: async () => {
    await shards[1]!.query("ALTER TABLE user_tags DROP CONSTRAINT user_tags_pkey");
    await carry("user_tags", "user_id, tag_id", 1, 1);
    await run(1, "DELETE FROM user_tags WHERE (user_id, tag_id) = (SELECT user_id, tag_id FROM user_tags GROUP BY 1, 2 HAVING count(*) = 1 LIMIT 1)");
  }, undo: () => shards[1]!.query("ALTER TABLE user_tags ADD PRIMARY KEY (user_id, tag_id)") },
  { what: "a row has the key of another shard", table: "cart_items", tamper: async () => {
    const { rows } = await shards[1]!.query<{ id: string }>("SELECT id FROM users LIMIT 1");
    await run(0, `UPDATE cart_items SET user_id = ${rows[0]!.id}, product_id = -1 WHERE ctid = (SELECT ctid FROM cart_items LIMIT 1)`);
  }, misplaced: 1 },
  { what: "an omnisharded row is missing on one shard", table: "countries", tamper: () => run(2, "DELETE FROM countries WHERE code = 'de'"), rows: [0, 0, -1] },
  { what: "an omnisharded row is one too many on one shard", table: "countries", tamper: () => run(0, "INSERT INTO countries VALUES ('xx', 'Nowhere')"), rows: [1, 0, 0] },
  { what: "an omnisharded row differs on one shard", table: "settings", tamper: () => run(1, `UPDATE settings SET value = 'null' WHERE name = 'setting.1'`) },
  { what: "an omnisharded row differs on all shards alike", table: "settings", tamper: async () => {
    for (let shard = 0; shard < SHARDS; shard++) await run(shard, `UPDATE settings SET value = 'null' WHERE name = 'setting.1'`);
  } },
  { what: "omnisharded rows differ on two shards so that the sums would meet", table: "tags", tamper: async () => {
    await run(0, "DELETE FROM tags WHERE id = 1");
    await run(1, "INSERT INTO tags (id, name) VALUES (1000, 'tag 1000')");
  }, rows: [-1, 1, 0] },
];

describe("verify", () => {
  it.each(tamperings)("finds that $what", async ({ table, tamper, rows = [0, 0, 0], equal = false, misplaced = 0, undo }) => {
    for (const shard of shards) await shard.query(`CREATE TEMPORARY TABLE kept AS SELECT * FROM ${table}`);
    onTestFinished(async () => {
      for (const shard of shards) await shard.query(`DELETE FROM ${table}; INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM kept; DROP TABLE kept`);
      await undo?.();
    });
    await tamper();
    const found = await runToEnd({ ...pipeline, stages: [{ type: "verify" }] });

    expect(found.sound).toBe(false);
    const good = verdictOf(before, table);
    const bad = verdictOf(found.verdicts, table);
    expect(isSound(bad)).toBe(false);
    expect(bad).toEqual({ ...good, shardRows: good.shardRows.map((count, shard) => Math.max(0, count + rows[shard]!)), equal, misplaced });
    expect(eventsOf(found.events, "table-verified").find(({ verdict }) => verdict.table === table)?.verdict).toEqual(bad);
    // Nothing else is accused.
    expect(found.verdicts.filter((verdict) => verdict.table !== table)).toEqual(before.filter((verdict) => verdict.table !== table));
  });

  it("is content again when all that is put right", async () => {
    const found = await runToEnd({ ...pipeline, stages: [{ type: "verify" }] });
    expect(found.sound).toBe(true);
    expect(found.verdicts).toEqual(before);
  });

  it("compares a moment, however much is written meanwhile", async () => {
    const writers = await startWriters(() => cluster.connect("shop"), 4, { seed: 5, transactionsPerSecond: 300 });
    onTestFinished(async () => {
      await writers.stop();
    });
    for (let round = 0; round < 5; round++) {
      const { committed } = writers.report();
      await writers.until((report) => report.committed >= committed + 100);
      const { verdicts, sound, events } = await runToEnd({ ...pipeline, stages: [{ type: "verify" }] });
      expect(eventsOf(events, "verify-started")[0]?.position).toBeDefined();
      expect(verdicts.filter((verdict) => !isSound(verdict))).toEqual([]);
      expect(sound).toBe(true);
    }
    expect((await writers.stop()).committed).toBeGreaterThan(500);
  });
});
