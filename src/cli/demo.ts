import { type Command, InvalidArgumentError, Option } from "commander";
import type { Execute } from "./execute.js";
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
    .description("Starts a PostgreSQL server with a small shop, empty ones for the shards, and a gateway through which four applications write. Types RESHARD into the admin database: the shop moves and the applications go on against the shards. Then it rolls back, and compares both sides with one another and with what the applications were told.")
    .addOption(new Option("--rows <count>", "rows of the shop").default(1_000_000).argParser(count(1, 100_000_000)))
    .addOption(new Option("--shards <count>", "shards to move it to").default(2).argParser(count(1, 16)))
    .option("--keep", "leave the servers up and print how to connect")
    .addHelpText("after", "\nExample:\n  pg-reshard demo --rows 3000000 --shards 3")
    .action(async ({ rows, shards, keep }: DemoFlags) => {
      await execute("demo", async ({ report, signal, terminal }) => {
        const { runDemo } = await import("../demo/run-demo.js");
        const result = await runDemo({ rows, shards, keep: keep === true, signal, report });
        const { sound, verdicts, receipts, pauses, writers, milliseconds, kept } = result;
        const text = demoText(result, terminal.columns, paintWith(terminal.colors.out));
        return { ok: sound, text, fields: { sound, verdicts, receipts, pauses, writers, demoMilliseconds: milliseconds, ...(kept === undefined ? {} : { kept }) } };
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
