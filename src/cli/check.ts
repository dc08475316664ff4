import type { Command } from "commander";
import { readPipelineFile } from "../config/load.js";
import { readTests } from "../config/tests.js";
import type { FlowPipeline, OperatorEntry, Pipeline } from "../config/types.js";
import { checkServers } from "../pipelines/check-servers.js";
import { checkFlows } from "../pipelines/flow/run-flows.js";
import { type LoadedOperator, loadOperators } from "../pipelines/load-operators.js";
import { dataSyncStages } from "./data-sync-stages.js";
import { failureFields, failureText } from "./failure.js";
import { acceptFileOrDatabases, allowPartialPublication, loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import type { Execute } from "./execute.js";
import { counted, listed } from "../words.js";

export function addCheck(program: Command, execute: Execute): void {
  allowPartialPublication(acceptFileOrDatabases(program.command("check")))
    .summary("tell beforehand what will go wrong")
    .description("Reads the configuration, and the operators that it names, and tells every mistake in it. With --connect it also asks the servers what a run asks before it makes anything, and tells what of it would stop a run, and what the shards will lack: foreign keys that cannot hold, unique keys that hold on each shard only, what the dump has that is not carried. What a run meets later, in the rows or in tables that a shard has already, it does not know. Changes nothing; a problem that would stop a run is exit code 1, a mistake in a file 78.")
    .option("--connect", "ask the servers too")
    .addHelpText("after", "\nExamples:\n  pg-reshard check reshard.toml\n  pg-reshard check reshard.toml --connect")
    .action(async (file: string | undefined, { connect }: { readonly connect?: boolean }, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("check", async ({ report, terminal }) => {
        const pipeline = choice.kind === "file" ? readPipelineFile(choice.path, terminal.environment) : loadPipeline(choice, terminal.environment, { stages: dataSyncStages({}) });
        checkFlows(pipeline.stages);
        if (choice.kind === "file") readTests(choice.path, terminal.environment);
        const operators = await loadOperators(operatorsIn(pipeline));
        if (pipeline.from === undefined) {
          for (const message of pipeline.notes) report({ type: "note", message });
          return { ok: true, text: `${counted(pipeline.stages.length, "stage")}${withOperators(operators)}: the configuration has no mistakes. The servers were not asked.\n`, fields: { problems: [] } };
        }
        const move = `${pipeline.from.name} (${counted(pipeline.from.shards.length, "shard")}) to ${pipeline.to.name} (${counted(pipeline.to.shards.length, "shard")})`;
        if (connect !== true) {
          for (const message of pipeline.notes) report({ type: "note", message });
          return { ok: true, text: `${move}${withOperators(operators)}: the configuration has no mistakes. The servers were not asked (--connect).\n`, fields: { problems: [] } };
        }
        const { tables, problems } = await checkServers(pipeline, report);
        const verdict = problems.length === 0 ? `${counted(tables ?? 0, "table")}, nothing found that would stop a run` : `${counted(problems.length, "problem")} that would stop a run`;
        const text = [...problems.map(failureText), `${move}: ${verdict}.\n`].join("\n");
        return { ok: problems.length === 0, text, fields: { tables, problems: problems.map(failureFields) } };
      });
    });
}

/** Those of flows, too. */
function operatorsIn(pipeline: Pipeline | FlowPipeline): readonly OperatorEntry[] {
  const ofFlows = pipeline.stages.flatMap((stage) => (stage.type === "flow" ? stage.operators : []));
  return [...new Set([...(pipeline.from === undefined ? [] : pipeline.operators), ...ofFlows])];
}

function withOperators(operators: readonly LoadedOperator[]): string {
  return operators.length === 0 ? "" : `, through ${listed(operators.map(({ name }) => name))}`;
}
