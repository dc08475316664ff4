/*
 * Runs one pipeline in a process of its own and tells how much memory that took: the test of memory starts it, with the
 * pipeline as JSON on stdin, and reads JSON from stdout.
 */
import { text } from "node:stream/consumers";
import type { Pipeline } from "../../src/config/types.js";
import { runPipeline } from "../../src/pipelines/run-pipeline.js";

export interface Measured {
  readonly sound: boolean;
  /** Tables and rows of the verdicts, if the pipeline verifies. */
  readonly rows: readonly { readonly table: string; readonly sourceRows: number }[];
  /** Bytes of resident memory: the most that was seen before the pipeline began, and while it ran. */
  readonly before: number;
  readonly most: number;
}

const pipeline = JSON.parse(await text(process.stdin)) as Pipeline;
const before = process.memoryUsage.rss();
let most = before;
const sample = (): void => {
  most = Math.max(most, process.memoryUsage.rss());
};
const timer = setInterval(sample, 50);
const { verdicts, sound } = await runPipeline({ pipeline, signal: new AbortController().signal, report: sample });
clearInterval(timer);
sample();
const measured: Measured = { sound, rows: verdicts.map(({ table, sourceRows }) => ({ table, sourceRows })), before, most };
process.stdout.write(JSON.stringify(measured));
