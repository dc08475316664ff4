import { type Command, Option } from "commander";
import { type DataSyncFlags, dataSyncStages } from "./data-sync-stages.js";
import { allowPartialPublication, loadPipeline, onDdl, pipelineChoice, requireDatabases } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { runStages } from "./run-stages.js";

export function addDataSync(program: Command, execute: Execute): void {
  onDdl(allowPartialPublication(requireDatabases(program.command("data-sync"))))
    .summary("copy all rows, then stream changes")
    .description("Makes the tables, copies all rows, builds indexes and keys, then streams changes until SIGINT or SIGTERM. However it ends, slot and progress stay, and the same command goes on from there.")
    .addOption(new Option("--replication-slot <name>", "base name of the slot; the source shard's number is appended"))
    .addOption(new Option("--replicate-only", "copy nothing, only stream from the slot").conflicts(["syncOnly", "skipSchemaSync"]))
    .addOption(new Option("--sync-only", "end after the copy").conflicts("untilCaughtUp"))
    .option("--skip-schema-sync", "the schema is on the shards already")
    .option("--until-caught-up", "end when the shards are in sync")
    .addHelpText("after", "\nExample:\n  pg-reshard data-sync --from-database shop --to-database shop_sharded --publication all_tables --until-caught-up")
    .action(async (flags: DataSyncFlags & { readonly replicationSlot?: string }, command: Command) => {
      const choice = pipelineChoice(command, undefined);
      const own = { stages: dataSyncStages(flags), slot: flags.replicationSlot };
      await execute("data-sync", async (tools) => await runStages(loadPipeline(choice, tools.terminal.environment, own), tools));
    });
}
