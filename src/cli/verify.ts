import type { Command } from "commander";
import { acceptFileOrDatabases, allowPartialPublication, loadPipeline, onDdl, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { runStages } from "./run-stages.js";

export function addVerify(program: Command, execute: Execute): void {
  onDdl(allowPartialPublication(acceptFileOrDatabases(program.command("verify"))))
    .summary("compare source and shards")
    .description("Compares count and checksum of every table, and looks at every row whether it is on the shard it belongs to. The source may be written to meanwhile. Any difference is exit code 1.")
    .addHelpText("after", "\nExamples:\n  pg-reshard verify reshard.toml\n  pg-reshard verify --from-database shop --to-database shop_sharded --publication all_tables --json")
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("verify", async (tools) => {
        return await runStages(loadPipeline(choice, tools.terminal.environment, { stages: [{ type: "verify" }] }), tools);
      });
    });
}
