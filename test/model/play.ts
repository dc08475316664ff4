import fc from "fast-check";
import type { Cluster } from "../../src/embedded/cluster.js";
import { type Change, insert, statementsOf } from "./changes.js";
import { commandKinds, type Model } from "./commands.js";
import { Rows } from "./rows.js";
import { PAIRS, TABLES } from "./tables.js";
import { World, type WorldShape } from "./world.js";

const LEAST_COMMANDS = 15;
const MOST_COMMANDS = 40;

export interface Play {
  readonly shape: WorldShape;
  /** Rows that are there before anything begins. */
  readonly first: readonly Change[];
  readonly commands: readonly fc.AsyncCommand<Model, World>[];
}

const shapes: fc.Arbitrary<WorldShape> = fc.record({
  sources: fc.integer({ min: 1, max: 3 }),
  shards: fc.integer({ min: 1, max: 3 }),
  tables: fc.subarray([...TABLES], { minLength: 2, maxLength: 4 }).map((tables) => [PAIRS, ...tables]),
  // A process takes its time to begin.
  processes: fc.nat(9).map((number) => number === 0),
  syncsSchema: fc.nat(2).map((number) => number === 0),
});

export const plays: fc.Arbitrary<Play> = fc.record({
  shape: shapes,
  first: fc.array(insert, { minLength: 10, maxLength: 60, size: "max" }),
  // Not fc.commands, for that draws plays too short to be worth their databases.
  commands: fc.array(fc.oneof(...commandKinds), { minLength: LEAST_COMMANDS, maxLength: MOST_COMMANDS, size: "max" }),
});

let worlds = 0;

/** Plays the commands against real databases while the pipeline runs; fails where anything was lost, doubled or left behind. */
export async function play(cluster: Cluster, { shape, first, commands }: Play): Promise<void> {
  const world = await World.create(cluster, `model_${++worlds}`, shape);
  world.note(`${shape.sources} source shards to ${shape.shards}${shape.processes ? ", by processes" : ""}${shape.syncsSchema ? ", with their schema" : ""}: ${shape.tables.map(({ name }) => name).join(", ")}`);
  try {
    const rows = new Rows(shape.tables, shape.sources);
    for (const change of first) for (const statement of statementsOf(rows, change)) await world.write(statement);
    const model: Model = { rows, running: true, processes: shape.processes, added: 0 };
    world.supervisor.start();
    await fc.asyncModelRun(() => ({ model, real: world }), commands);
    if (model.running) await world.supervisor.stop();
    await world.settle();
    if (process.env["MODEL_STORY"] === "1") process.stdout.write(`${world.story.join("\n")}\n`);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nwhat happened:\n${world.story.join("\n")}`, { cause: error });
  } finally {
    await world.remove();
  }
}
