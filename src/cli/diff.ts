import type { Command } from "commander";
import { diffSchemas } from "../pipelines/schema-diff.js";
import { loadPipeline, pipelineChoice, requireDatabases } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { differenceTable } from "./view/difference-table.js";
import { paintWith } from "./view/paint.js";

export function addDiff(program: Command, execute: Execute): void {
  requireDatabases(program.command("diff"))
    .summary("compare the schemas of source and shards")
    .description("Compares the catalogs of the source and of every shard, object by object. What is meant to differ, such as integer keys that became bigint, is only counted. Changes nothing; any other difference is exit code 1.")
    .addHelpText("after", "\nExample:\n  pg-reshard diff --from-database shop --to-database shop_sharded --publication all_tables")
    .action(async (_: unknown, command: Command) => {
      const choice = pipelineChoice(command, undefined);
      await execute("diff", async ({ report, terminal }) => {
        const shards = await diffSchemas(loadPipeline(choice, terminal.environment), report);
        const ok = shards.every(({ differences }) => differences.every(({ expected }) => expected !== undefined));
        const fields = shards.map(({ differences, ...shard }) => ({ ...shard, differences: differences.map(({ kind, name, what, source, shard: there, expected }) => ({ kind, name, what, source, shard: there, expected })) }));
        return { ok, text: differenceTable(shards, terminal.columns, paintWith(terminal.colors.out)), fields: { shards: fields } };
      });
    });
}
