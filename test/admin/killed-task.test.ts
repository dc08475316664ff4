import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";
import { TaskManager } from "../../src/admin/task-manager.js";
import type { Pipeline } from "../../src/config/types.js";
import { startTestCluster } from "../support/cluster.js";
import { worldOf } from "../support/admin-world.js";
import { APP_TABLES, makeApp } from "../support/cutover-app.js";
import { differences } from "../support/oracle.js";
import { moment } from "../support/moment.js";

interface Told {
  readonly id: number;
  readonly state: string;
  readonly stage?: string;
  readonly done: number;
}

/** Runs until what it tells is as wanted, then is killed. */
async function killedWhen(pipeline: Pipeline, is: (told: Told) => boolean): Promise<Told> {
  const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", path.join(import.meta.dirname, "task-process.ts")], { env: { ...process.env, PIPELINE: JSON.stringify(pipeline) }, stdio: ["ignore", "pipe", "pipe"] });
  let words = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => { words += text; });
  const ended = once(child, "close");
  onTestFinished(() => { child.kill("SIGKILL"); });
  for await (const line of createInterface({ input: child.stdout! })) {
    const [told] = JSON.parse(line) as Told[];
    if (told === undefined || !is(told)) continue;
    child.kill("SIGKILL");
    await ended;
    return told;
  }
  throw new Error(`it ended by itself: ${words}`);
}

it("a task is gone on with wherever its process was killed", async () => {
  const cluster = await startTestCluster({ settings: { max_connections: "200" } });
  const app = await makeApp(cluster, "killed");
  const source = await cluster.connect(app.source[0]!.database);
  onTestFinished(() => source.end());
  await source.query("INSERT INTO entries (owner, writer, number) SELECT 1 + i % 20, 0, i FROM generate_series(1, 5000) i");
  const { id } = await killedWhen(app.pipeline, ({ stage }) => stage === "copy");
  expect(await killedWhen(app.pipeline, ({ stage }) => stage === "replicate")).toMatchObject({ id, state: "running", done: 4 });
  await source.query("DELETE FROM entries WHERE number % 3 = 0; UPDATE owners SET name = 'after'");

  const tasks = new TaskManager(worldOf(app));
  onTestFinished(() => tasks.close());
  await tasks.start();
  const ended = async (task: number): Promise<string> => {
    for (;;) {
      const found = tasks.list().find((candidate) => candidate.id === task)!;
      if (found.endedAt !== undefined) return found.failure?.message ?? found.state;
      await moment();
    }
  };
  expect(tasks.list().map((task) => [task.id, task.state])).toEqual([[id, "running"]]);
  while (tasks.list()[0]!.progress.stage !== "replicate") await moment();
  const verify = await tasks.begin({ kind: "verify", source: "prod", destination: "spare", publication: "everything", slot: undefined, phase: undefined });
  expect(await ended(verify.id)).toBe("finished");
  // What was copied by a process that was killed is there with its totals.
  expect(tasks.list().find((task) => task.id === id)!.progress.copies.copies().map(({ table, state, rows }) => [table, state, rows]).sort()).toEqual([["entries", "done", 5000], ["kinds", "done", 2], ["lines", "done", 0], ["owners", "done", 20]]);
  expect(await tasks.stop(id, { dropProgress: false })).toHaveLength(1);
  expect(await ended(id)).toBe("cancelled");
  expect(await differences(app.source, app.shards, APP_TABLES)).toEqual([]);
});
