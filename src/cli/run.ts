import type { Command } from "commander";
import { loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
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
      await execute("run", async (tools) => await runStages(loadPipeline(choice, tools.terminal.environment), tools));
    });
}
