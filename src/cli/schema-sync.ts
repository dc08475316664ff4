import { type Command, Option } from "commander";
import { DEFAULT_SEQUENCES, SEQUENCE_STRATEGIES } from "../config/grammar.js";
import type { SequenceStrategy } from "../config/types.js";
import { runSchemaSync, schemaSyncSql } from "../pipelines/run-schema-sync.js";
import { loadPipeline, pipelineChoice, requireDatabases } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { counted } from "../words.js";

interface SchemaSyncFlags {
  readonly dryRun?: boolean;
  readonly ignoreErrors?: boolean;
  readonly dataSyncComplete?: boolean;
  readonly cutover?: boolean;
  readonly postCutover?: boolean;
  readonly sequences?: SequenceStrategy;
}

export function addSchemaSync(program: Command, execute: Execute): void {
  requireDatabases(program.command("schema-sync"))
    .summary("carry the schema to the shards")
    .description("Carries the source's schema to the shards: tables and primary keys; after the data, with --data-sync-complete, everything built over the rows; with --cutover, sequences and the keys that come from them; with --post-cutover, what the way back needs. What is there already is left alone.")
    .option("--dry-run", "print the SQL and change nothing")
    .option("--ignore-errors", "go on after a statement that a shard refuses")
    .option("--data-sync-complete", "the phase after the data: indexes, foreign keys, triggers …")
    .addOption(new Option("--cutover", "the phase of the cutover: sequences past the source's, sharding keys of each shard's own").conflicts("dataSyncComplete"))
    .addOption(new Option("--post-cutover", "the phase for the way back: publications of the shards, and whether the source can take their changes").conflicts(["dataSyncComplete", "cutover"]))
    .addOption(new Option("--sequences <strategy>", `with --cutover, how the shards share the sequences' numbers; without it ${DEFAULT_SEQUENCES}`).choices(SEQUENCE_STRATEGIES))
    .addHelpText(
      "after",
      "\nExamples:\n  pg-reshard schema-sync --from-database shop --to-database shop_sharded --publication all_tables\n  pg-reshard schema-sync --from-database shop --to-database shop_sharded --publication all_tables \\\n    --data-sync-complete --dry-run > post.sql",
    )
    .action(async (flags: SchemaSyncFlags, command: Command) => {
      const choice = pipelineChoice(command, undefined);
      await execute("schema-sync", async ({ report, signal, terminal }) => {
        const phase = flags.postCutover === true ? "post-cutover" : flags.cutover === true ? "cutover" : flags.dataSyncComplete === true ? "post" : "pre";
        const pipeline = loadPipeline(choice, terminal.environment, { sequences: flags.sequences });
        if (flags.dryRun === true) {
          const sql = await schemaSyncSql({ pipeline, phase, report });
          return { ok: true, text: sql, fields: { phase, sql } };
        }
        const result = await runSchemaSync({ pipeline, phase, report, signal, ...(flags.ignoreErrors === undefined ? {} : { ignoreErrors: flags.ignoreErrors }) });
        const { ran, present, failed } = result;
        const text = `Schema ${phase} on ${counted(pipeline.to.shards.length, "shard")}: ${counted(ran, "statement")} run, ${present} there already${failed === 0 ? "" : `, ${failed} refused`}.\n`;
        return { ok: true, text, fields: { phase, ...result } };
      });
    });
}
