import type { Command } from "commander";
import { readStatus } from "../pipelines/status.js";
import { acceptFileOrDatabases, loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { statusText } from "./view/status-text.js";

export function addStatus(program: Command, execute: Execute): void {
  acceptFileOrDatabases(program.command("status"))
    .summary("tell how far a migration is")
    .description("Tells what the journal says: phase, tables copied, what each shard has applied, the slot and the WAL that it keeps, and the lag. It can be asked while a run is going on.")
    .addHelpText("after", "\nExamples:\n  pg-reshard status reshard.toml\n  pg-reshard status --from-database shop --to-database shop_sharded --publication all_tables")
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("status", async ({ terminal }) => {
        const pipeline = loadPipeline(choice, terminal.environment);
        const migrations = await readStatus(pipeline);
        return { ok: true, text: statusText(migrations, pipeline.to.name, Date.now()), fields: { migrations } };
      });
    });
}
