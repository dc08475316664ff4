import { cpus, loadavg, totalmem } from "node:os";
import { collectGarbageLessOften } from "../src/cli/collect-garbage-less-often.js";
import { ReshardError } from "../src/errors.js";
import { benchApply } from "./apply.js";
import { benchCopy } from "./copy.js";
import { benchCutover } from "./cutover.js";
import { type BenchmarkName, type BenchOptions, readOptions } from "./options.js";
import { type Measured, type Result, resultOf } from "./result.js";
import { resultTable } from "./result-table.js";
import { benchOperators } from "./operators.js";
import { benchSplit } from "./split.js";

const RUN: Readonly<Record<BenchmarkName, (options: BenchOptions) => Promise<readonly Measured[]>>> = { split: benchSplit, operators: benchOperators, copy: benchCopy, apply: benchApply, cutover: benchCutover };

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  // As the command line does.
  collectGarbageLessOften();
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? "unknown", memoryGiB: Math.round(totalmem() / 2 ** 30), node: process.version };
  if (!options.json) process.stdout.write(`${machine.cpus} x ${machine.model}, ${machine.memoryGiB} GiB, Node ${machine.node}; median (least-most) of ${options.rounds} pairs\n`);
  const results: Result[] = [];
  for (const name of options.benchmarks) {
    const load = loadBefore();
    const found = (await RUN[name](options)).map((measured) => resultOf({ ...measured, conditions: { ...measured.conditions, load } }));
    results.push(...found);
    if (!options.json) process.stdout.write(`\n${resultTable(found)}`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ machine, rounds: options.rounds, results }, undefined, 2)}\n`);
}

function loadBefore(): string {
  return `${loadavg()[0]!.toFixed(1)} on ${cpus().length} CPUs in the minute before`;
}

try {
  await main();
} catch (error) {
  const expected = error instanceof ReshardError && error.kind !== "defect";
  process.stderr.write(expected ? `${error.message}\n${error.remedy ?? ""}\n` : `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = error instanceof ReshardError && error.code === "USAGE" ? 2 : 1;
}
