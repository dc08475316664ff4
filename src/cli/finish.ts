import type { Command } from "commander";
import { finishMigration } from "../pipelines/finish.js";
import { acceptFileOrDatabases, loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { finishText } from "./view/finish-text.js";

export function addFinish(program: Command, execute: Execute): void {
  acceptFileOrDatabases(program.command("finish"))
    .summary("end a migration: drop its slot")
    .description("Ends a migration: drops its slot on the source, so that WAL is no longer kept for it. It cannot be gone on with afterwards; the rows stay where they are.")
    .option("--drop-progress", "also drop the schema reshard on every shard, but for the function that keys are drawn by, where one is")
    .addHelpText("after", "\nExamples:\n  pg-reshard finish reshard.toml\n  pg-reshard finish --from-database shop --to-database shop_sharded --publication all_tables --drop-progress")
    .action(async (file: string | undefined, flags: { readonly dropProgress?: boolean }, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("finish", async ({ terminal }) => {
        const result = await finishMigration({ pipeline: loadPipeline(choice, terminal.environment), dropProgress: flags.dropProgress === true });
        return { ok: true, text: finishText(result), fields: { ...result } };
      });
    });
}
