import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadShop } from "../../src/demo/load-shop.js";
import { demoPipelineToml } from "../../src/demo/pipeline-toml.js";
import { seededRandom } from "../../src/demo/random.js";
import { shopSchema } from "../../src/demo/shop-schema.js";
import { startWriters } from "../../src/demo/start-writers.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { type CommandRun, startCommand } from "../support/cli.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { newShards, shopPlacements } from "../support/shop.js";

const SEED = Number(process.env["KILL_SEED"] ?? 1);
/** Rounds from an empty destination to the end; each is killed once for every moment below. */
const ROUNDS = Number(process.env["KILL_ROUNDS"] ?? 1);
const SHARDS = 2;
/** At least so many in each round. */
const KILLS = 20;

/** Where a run is killed, in the order in which it gets there: at the n-th event of a type, n drawn at random up to `most`. */
const MOMENTS = [
  { type: "stage-started", most: 1 },
  { type: "schema-statement", most: 60 },
  { type: "schema-statement", most: 100 },
  { type: "schema-statement", most: 150 },
  { type: "copy-started", most: 1 },
  { type: "table-progress", most: 4 },
  { type: "table-progress", most: 8 },
  { type: "table-copied", most: 6 },
  { type: "table-key-built", most: 6 },
  { type: "table-copied", most: 6 },
  { type: "table-progress", most: 4 },
  { type: "table-key-built", most: 4 },
  { type: "schema-statement", most: 20 },
  { type: "schema-statement", most: 20 },
  { type: "stage-started", most: 3 },
  { type: "schema-statement", most: 20 },
  { type: "stream-progress", most: 2 },
  { type: "caught-up", most: 1 },
  { type: "stream-progress", most: 1 },
  { type: "table-verified", most: 5 },
  { type: "caught-up", most: 1 },
  { type: "table-verified", most: 10 },
] as const;

let cluster: Cluster;
let directory: string;

beforeAll(async () => {
  cluster = await startTestCluster({ settings: { synchronous_commit: "off" } });
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  await cluster.createDatabase("template_shop");
  const client = await cluster.connect("template_shop");
  await client.query(shopSchema);
  await loadShop([client], 10_000);
  await client.end();
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function cloneShop(name: string): Promise<void> {
  await cluster.createDatabase(name, "template_shop");
}

/** The demo's own file, with a database for each of its servers. */
function pipelineFile(name: string, source: string, shards: readonly string[]): { file: string; env: NodeJS.ProcessEnv } {
  const databases = [source, ...shards];
  const toml = demoPipelineToml(shards.length).replaceAll('"${DEMO_DATABASE:-shop}"', () => `"${databases.shift()!}"\nsslmode = "disable"`);
  const file = path.join(directory, `${name}.toml`);
  writeFileSync(file, toml);
  const port = String(cluster.port);
  return { file, env: { DEMO_SOURCE_PORT: port, DEMO_PASSWORD: cluster.password, ...Object.fromEntries(shards.map((_, shard) => [`DEMO_SHARD_${shard}_PORT`, port])) } };
}

async function runKilledAt(file: string, env: NodeJS.ProcessEnv, moment: { type: string; count: number }): Promise<CommandRun> {
  let seen = 0;
  const run = startCommand(["run", file, "--json"], {
    env,
    onEvent(event) {
      if (event.type === moment.type && ++seen === moment.count) run.child.kill("SIGKILL");
    },
  });
  await run.ended;
  return run;
}

describe("a run that is killed (SIGKILL) and started again with the same command", () => {
  it.each(Array.from({ length: ROUNDS }, (_, round) => round))("ends as if it had not been (round %i)", async (round) => {
    const random = seededRandom(SEED * 1000 + round);
    const source = { cluster, database: `source_${round}` };
    await cloneShop(source.database);
    const shards = await newShards(cluster, `kill_${round}`, SHARDS);
    const { file, env } = pipelineFile(`kill_${round}`, source.database, shards.map((shard) => shard.database));
    const writers = await startWriters(() => cluster.connect(source.database), 4, { seed: SEED + round, transactionsPerSecond: 100 });
    let kills = 0;
    const story: string[] = [`KILL_SEED=${SEED} KILL_ROUNDS=${ROUNDS}`];
    try {
      // On a busy machine a run may end before the signal comes; the first stages of a run always leave time for it.
      for (let next = 0; next < MOMENTS.length || kills < KILLS; next++) {
        const { type, most } = MOMENTS[next] ?? { type: "stage-started", most: 3 };
        const count = random.integer(1, most);
        const run = await runKilledAt(file, env, { type, count });
        const code = await run.ended;
        story.push(`${type} #${count}: ${code === null ? "killed" : `exit ${code}`}`);
        if (code === null) kills++;
        // A moment that does not come any more (its stage is finished) lets the run come to its end.
        else expect(code, `${story.join("\n")}\n${JSON.stringify(run.events.at(-1))}`).toBe(0);
      }
    } finally {
      await writers.stop();
    }
    const last = startCommand(["run", file, "--json"], { env });
    expect(await last.ended, `${story.join("\n")}\n${JSON.stringify(last.events.at(-1))}`).toBe(0);
    expect(kills, story.join("\n")).toBeGreaterThanOrEqual(KILLS);
    const finish = startCommand(["finish", file, "--json"], { env });
    expect(await finish.ended, finish.stderr()).toBe(0);
    expect(await differences(source, shards, shopPlacements), story.join("\n")).toEqual([]);
  }, 400_000);
});
