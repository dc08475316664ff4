import { expect, it } from "vitest";
import { ON_DISK, startTestCluster } from "../support/cluster.js";
import { measured } from "../support/measured.js";
import { large, stand } from "../support/move.js";
import { differences } from "../support/oracle.js";
import { hashed } from "../support/pipeline.js";

/** Rows of the transaction of many small rows. */
const ROWS = 2_000_000;
/** Three batches of the stream on the way, of small rows, in all their forms; the first transaction would take a gigabyte. */
const MOST_RESIDENT = 320_000_000;

it("case 9: transactions of 2 million rows and of 100 MB, in bounded memory", async () => {
  const cluster = await startTestCluster(ON_DISK);
  const wide = { schema: "public", name: "wide", placement: { kind: "hash", column: "owner", type: "bigint" } } as const;
  const scene = await stand({
    cluster,
    name: "large",
    schema: "CREATE TABLE small (id bigint PRIMARY KEY, owner bigint NOT NULL); CREATE TABLE wide (id bigint PRIMARY KEY, owner bigint NOT NULL, body text, title text)",
    rows: `INSERT INTO wide SELECT i, i, ${large("i", 100_000)}, 'first' FROM generate_series(1, 50) i`,
    sharding: { tables: [hashed("owner", "bigint")] },
    tables: [wide],
  });
  const { client, pipeline, source, shards } = scene;
  await measured({ ...pipeline, stages: pipeline.stages.filter(({ type }) => type !== "verify") });

  await client.query("BEGIN");
  await client.query(`INSERT INTO small SELECT i, i FROM generate_series(1, ${ROWS}) i`);
  await client.query(`SAVEPOINT lost; DELETE FROM small WHERE id <= 20000; ROLLBACK TO lost`);
  await client.query(`UPDATE small SET owner = owner + 1 WHERE id <= 20000; DELETE FROM small WHERE id > ${ROWS - 20_000}`);
  await client.query("COMMIT");
  // A thousand rows of 100 kB; and rows that move, their large values unchanged.
  await client.query(`BEGIN; INSERT INTO wide SELECT i, i, repeat(md5(i::text), 3200), 'new' FROM generate_series(101, 1100) i; UPDATE wide SET owner = owner + 1, title = 'moved' WHERE id % 20 = 0; COMMIT`);

  const { sound, rows, most } = await measured(pipeline);
  expect({ sound, rows }).toEqual({ sound: true, rows: [{ table: "small", sourceRows: ROWS - 20_000 }, { table: "wide", sourceRows: 1050 }] });
  expect(most).toBeLessThan(MOST_RESIDENT);
  expect(await differences(source, shards, [wide])).toEqual([]);
});
