import type { Command } from "commander";
import { finishBothWays } from "../pipelines/finish-both-ways.js";
import { acceptFileOrDatabases, loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { finishText } from "./view/finish-text.js";

export function addFinish(program: Command, execute: Execute): void {
  acceptFileOrDatabases(program.command("finish"))
    .summary("end a migration: drop its slot")
    .description("Ends a migration: drops its slot on the source, so that WAL is no longer kept for it. It cannot be gone on with afterwards; the rows stay where they are. After a cutover it also drops the slots of the way back.")
    .option("--drop-progress", "also drop the schema reshard on every shard, but for the function that keys are drawn by, where one is")
    .addHelpText("after", "\nExamples:\n  pg-reshard finish reshard.toml\n  pg-reshard finish --from-database shop --to-database shop_sharded --publication all_tables --drop-progress")
    .action(async (file: string | undefined, flags: { readonly dropProgress?: boolean }, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("finish", async ({ terminal }) => {
        const [forward, back] = await finishBothWays({ pipeline: loadPipeline(choice, terminal.environment), dropProgress: flags.dropProgress === true });
        return { ok: true, text: `${finishText(forward)}${back === undefined ? "" : finishText(back)}`, fields: { ...forward, ...(back === undefined ? {} : { back }) } };
      });
    });
}
