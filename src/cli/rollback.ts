import type { Command } from "commander";
import { rollBack } from "../pipelines/roll-back.js";
import { runPipeline } from "../pipelines/run-pipeline.js";
import { loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";

export function addRollback(program: Command, execute: Execute): void {
  program
    .command("rollback")
    .summary("undo a cutover: lead the applications back")
    .description("Leads the applications back to the database that a pipeline's cutover has left, with all that they have written since; then streams forward again until SIGINT or SIGTERM, so that `pg-reshard run` can cut over once more.")
    .argument("<file>", "the pipeline file that was cut over by")
    .addHelpText("after", "\nExample:\n  pg-reshard rollback reshard.toml")
    .action(async (file: string, _: unknown, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("rollback", async ({ terminal, report, signal }) => {
        const pipeline = loadPipeline(choice, terminal.environment);
        const cutover = await rollBack({ pipeline, report, signal });
        if (pipeline.cutover.reverse && !signal.aborted) await runPipeline({ pipeline: { ...pipeline, stages: [{ type: "replicate", until: "stopped" }], notes: [] }, report, signal });
        return { ok: true, text: `${pipeline.from.name} is in charge again.\n`, fields: cutover === undefined ? {} : { cutover } };
      });
    });
}
