import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import type { Pipeline } from "../../src/config/types.js";

export interface Measured {
  readonly sound: boolean;
  /** Tables and rows of the verdicts, if the pipeline verifies. */
  readonly rows: readonly { readonly table: string; readonly sourceRows: number }[];
  /** Bytes of resident memory, the most there ever was in the process. */
  readonly most: number;
}

/** As built, for that is what takes the memory of its users. */
const RUN = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);
const PROGRAM = `Promise.all([import(${RUN}), import("node:stream/consumers")]).then(async ([{ runPipeline }, { text }]) => {
  const { verdicts, sound } = await runPipeline({ pipeline: JSON.parse(await text(process.stdin)), signal: new AbortController().signal, report() {} });
  const rows = verdicts.map(({ table, sourceRows }) => ({ table, sourceRows }));
  process.stdout.write(JSON.stringify({ sound, rows, most: process.resourceUsage().maxRSS * 1024 }));
})`;

/** Runs a pipeline in a process of its own, and tells how much memory that took. */
export async function measured(pipeline: Pipeline): Promise<Measured> {
  const child = spawn(process.execPath, ["--eval", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(pipeline));
  const [output, code] = await Promise.all([text(child.stdout), new Promise((resolve) => child.once("exit", resolve))]);
  expect(code).toBe(0);
  return JSON.parse(output) as Measured;
}
