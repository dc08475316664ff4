import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { ON_DISK, startTestCluster } from "../support/cluster.js";
import { measured } from "../support/measured.js";
import { addressOf, hashed, makePipeline } from "../support/pipeline.js";
import { newShards } from "../support/shop.js";

const MEBIBYTE = 1024 * 1024;
const TABLE_BYTES = 512 * MEBIBYTE;
const MOST_RESIDENT = 250 * MEBIBYTE;

let origin: Cluster;
let destination: Cluster;

beforeAll(async () => {
  // Nobody replicates from these shards: their server need not write what it copies twice.
  [origin, destination] = await Promise.all([startTestCluster(ON_DISK), startTestCluster({ ...ON_DISK, settings: { wal_level: "minimal", max_wal_senders: 0 } })]);
});

describe("memory", () => {
  it("stays below 250 MB while a table of 512 MB passes, and a transaction that changes a quarter of it", async () => {
    await origin.createDatabase("large");
    const client = await origin.connect("large");
    // Rows too short for TOAST, so they are not compressed.
    await client.query(`
      CREATE TABLE payloads (id bigint PRIMARY KEY, owner bigint NOT NULL, payload text NOT NULL);
      CREATE PUBLICATION everything FOR ALL TABLES;
      INSERT INTO payloads SELECT i, i, repeat(md5(i::text), 59) FROM generate_series(1, 280000) i;`);
    const { rows } = await client.query<{ bytes: string }>("SELECT sum(pg_column_size(p.*)) AS bytes FROM payloads p");
    expect(Number(rows[0]!.bytes)).toBeGreaterThan(TABLE_BYTES);
    const pipeline = makePipeline({
      from: addressOf({ cluster: origin, database: "large" }),
      to: (await newShards(destination, "large", 2)).map((shard) => addressOf(shard)),
      publication: "everything",
      sharding: { tables: [hashed("owner", "bigint")] },
    });
    const withoutVerify = pipeline.stages.filter(({ type }) => type !== "verify");
    const copied = await measured({ ...pipeline, stages: withoutVerify });
    expect(copied.most).toBeLessThan(MOST_RESIDENT);

    await client.query("UPDATE payloads SET payload = repeat(md5(payload), 59) WHERE id % 4 = 0");
    const streamed = await measured(pipeline);
    expect(streamed).toMatchObject({ sound: true, rows: [{ table: "payloads", sourceRows: 280_000 }] });
    expect(streamed.most).toBeLessThan(MOST_RESIDENT);
  });
});
