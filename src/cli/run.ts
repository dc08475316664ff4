import type { Command } from "commander";
import { readPipelineFile } from "../config/load.js";
import { loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { runFlowStages } from "./run-flow-stages.js";
import { runStages } from "./run-stages.js";

export function addRun(program: Command, execute: Execute): void {
  program
    .command("run")
    .summary("run a pipeline file's stages in order")
    .description("Runs the stages of a pipeline file in order. Stopped or killed, it goes on where it was when it is run again.")
    .argument("<file>", "a pipeline file")
    .addHelpText("after", "\nExample:\n  pg-reshard run examples/demo.toml")
    .action(async (file: string, _: unknown, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("run", async (tools) => {
        const pipeline = choice.kind === "file" ? readPipelineFile(choice.path, tools.terminal.environment) : loadPipeline(choice, tools.terminal.environment);
        return pipeline.from === undefined ? await runFlowStages(pipeline, tools) : await runStages(pipeline, tools);
      });
    });
}
