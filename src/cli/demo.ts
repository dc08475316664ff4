import { type Command, InvalidArgumentError, Option } from "commander";
import { runDemo } from "../demo/run-demo.js";
import type { Execute } from "./execute.js";
import { startedEvent } from "./view/cli-event.js";
import { demoText } from "./view/demo-text.js";
import { paintWith } from "./view/paint.js";

interface DemoFlags {
  readonly rows: number;
  readonly shards: number;
  readonly keep?: boolean;
}

export function addDemo(program: Command, execute: Execute): void {
  program
    .command("demo")
    .summary("watch it work on servers of its own")
    .description("Starts a PostgreSQL server with a small shop and empty ones for the shards, moves the shop while four writers write to it, and proves that nothing was lost.")
    .addOption(new Option("--rows <count>", "rows of the shop").default(1_000_000).argParser(count(1, 100_000_000)))
    .addOption(new Option("--shards <count>", "shards to move it to").default(2).argParser(count(1, 16)))
    .option("--keep", "leave the servers up and print how to connect")
    .addHelpText("after", "\nExample:\n  pg-reshard demo --rows 3000000 --shards 3")
    .action(async ({ rows, shards, keep }: DemoFlags) => {
      await execute("demo", async ({ report, signal, terminal }) => {
        const result = await runDemo({ rows, shards, keep: keep === true, signal, report, onPipeline: (pipeline) => { report(startedEvent(pipeline)); } });
        const { sound, verdicts, writers, milliseconds, kept } = result;
        const text = demoText(result, terminal.columns, paintWith(terminal.colors.out));
        return { ok: sound, text, fields: { sound, verdicts, writers, demoMilliseconds: milliseconds, ...(kept === undefined ? {} : { kept }) } };
      });
    });
}

/** A whole number in a range; anything else is wrong usage. */
function count(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`It has to be a whole number from ${least} to ${most}.`);
    return value;
  };
}
