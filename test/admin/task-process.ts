import { TaskManager } from "../../src/admin/task-manager.js";
import type { Pipeline } from "../../src/config/types.js";
import { moment } from "../support/moment.js";

/* A process that goes on with a pipeline's tasks, or begins COPY_DATA where there are none; it tells each change, and lives until it is killed. */

const pipeline = JSON.parse(process.env["PIPELINE"]!) as Pipeline;
const tasks = new TaskManager({
  databases: () => [pipeline.from, pipeline.to],
  pipelineFor: () => pipeline,
  trafficOf: () => {
    throw new Error("nothing is cut over here");
  },
});
await tasks.start();
if (tasks.list().length === 0) await tasks.begin({ kind: "copy_data", source: pipeline.from.name, destination: pipeline.to.name, publication: pipeline.publication, slot: undefined, phase: undefined });

let told = "";
for (;;) {
  const text = JSON.stringify(tasks.list().map(({ id, state, progress }) => ({ id, state, stage: progress.stage, done: progress.copies.copies().filter((copy) => copy.state === "done").length })));
  if (text !== told) process.stdout.write(`${text}\n`);
  told = text;
  await moment();
}
