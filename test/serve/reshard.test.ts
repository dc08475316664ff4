import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { streamingBack, untilTask } from "../support/admin-tasks.js";
import { startTestCluster } from "../support/cluster.js";
import { APP_PASSWORD, databasesToml, generalToml, Served, ServedFiles, usersToml } from "../support/served.js";
import { KINDS, readTold, TOLD_SCHEMA, toldShardingToml, ToldWriters } from "../support/told-writers.js";

/* RESHARD through the gateway while applications write: there, back, and there again; from one shard, and from several. */

let served: Served;
let one: pg.Client[];
let three: pg.Client[];
let two: pg.Client[];
let writers: ToldWriters;
let admin: pg.Client;

beforeAll(async () => {
  const old = await startTestCluster({ settings: { max_prepared_transactions: 20 } });
  const fresh = await startTestCluster({ settings: { max_prepared_transactions: 20 } });
  const places = {
    prod: [{ cluster: old, database: "shop" }],
    prod_3x: [0, 1, 2].map((number) => ({ cluster: fresh, database: `shop_${number}` })),
    prod_2x: [0, 1].map((number) => ({ cluster: old, database: `shop_${number}` })),
  };
  for (const { cluster, database } of Object.values(places).flat()) await cluster.createDatabase(database);
  const connect = async (shards: typeof places.prod): Promise<pg.Client[]> => await Promise.all(shards.map(({ cluster, database }) => cluster.connect(database)));
  [one, three, two] = [await connect(places.prod), await connect(places.prod_3x), await connect(places.prod_2x)];
  await one[0]!.query(TOLD_SCHEMA);
  served = await Served.start(new ServedFiles(
    generalToml("two_phase_commit = true") + databasesToml(places) + toldShardingToml("prod_3x") + toldShardingToml("prod_2x") + '[[rehearsals]]\ndatabase = "prod"\ndestination = "prod_3x"\n',
    usersToml(old),
  ));
  admin = await served.admin();
  writers = await ToldWriters.start({ login: { host: "127.0.0.1", port: served.serving.port, user: "app", password: APP_PASSWORD, database: "prod" }, writers: KINDS });
});
afterAll(async () => {
  await served.serving.close();
});

/** Waits for the task that leads back, and gives its id. Names are those of now. */
async function backTo(destination: string, ...but: readonly string[]): Promise<string> {
  const { id, type } = await untilTask(admin, streamingBack(...but));
  expect(type).toBe(`replication prod -> ${destination} (reverse)`);
  return id;
}

/** RESHARD, CUTOVER back, CUTOVER again. Gives the task that leads back at the end. */
async function thereBackAndThere(destination: string, ...before: readonly string[]): Promise<string> {
  await writers.more(200);
  await admin.query(`RESHARD prod ${destination} all_tables`);
  const there = await writers.during(() => backTo(destination, ...before));
  await writers.more(300);
  await admin.query(`CUTOVER ${there}`);
  const back = await writers.during(() => backTo(destination, ...before, there));
  await writers.more(300);
  await admin.query(`CUTOVER ${back}`);
  const again = await writers.during(() => backTo(destination, ...before, there, back));
  await writers.more(300);
  return again;
}

/** Stops the writers, and looks what is where they wrote last; and where they wrote before, which gets all of it too. */
async function checkBoth(now: readonly pg.Client[], before: readonly pg.Client[]): Promise<void> {
  await writers.stop();
  expect(writers.faults(await readTold(now))).toEqual([]);
  await expect.poll(async () => writers.faults(await readTold(before)), { timeout: 30_000 }).toEqual([]);
}

test("before it is moved, an operator sees what will become of each statement", async () => {
  await writers.more(50);
  const expected = new Map([
    ["INSERT INTO entries VALUES ($1, …)", "one shard"],
    ["INSERT INTO entries (user_id, writer, number) VALUES ($1, …), …", "several shards"],
    ["SELECT name FROM users WHERE id = $1 FOR NO KEY UPDATE", "one shard"],
    ["UPDATE counters SET number = $2 WHERE writer = $1", "omnisharded"],
  ]);
  await expect.poll(async () => {
    const { rows } = await admin.query<Record<"database" | "statement" | "future", string>>("SHOW ROUTES");
    return new Map(rows.filter(({ statement }) => expected.has(statement)).map(({ statement, future }) => [statement, future]));
  }, { timeout: 20_000 }).toEqual(expected);
});

let leadsBack: string;

test("there, back and there again: no error, and no commit that is lost or done twice", async () => {
  leadsBack = await thereBackAndThere("prod_3x");
  await checkBoth(three, one);
}, 120_000);

test("from several shards to others, back and there again: the same", async () => {
  await admin.query(`STOP_TASK ${leadsBack}`);
  await writers.goOn();
  await thereBackAndThere("prod_2x", leadsBack);
  await checkBoth(two, three);
}, 120_000);
