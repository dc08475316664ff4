import { type Command, InvalidArgumentError } from "commander";
import { planPipeline } from "../pipelines/plan-pipeline.js";
import { counted } from "../words.js";
import type { Execute } from "./execute.js";
import { loadPipeline, pipelineChoice } from "./pipeline-choice.js";
import { planText } from "./view/plan-text.js";

interface PlanFlags {
  readonly connect?: boolean;
  readonly sql?: boolean;
  readonly rate: number;
}

/** About what two cores copy into two shards with their keys and one index (README, "Numbers"). */
const RATE = 45;
const MEGABYTE = 1e6;

export function addPlan(program: Command, execute: Execute): void {
  program
    .command("plan")
    .summary("tell what each stage of a pipeline file would do")
    .description("Asks the servers and tells what each stage would do: statements of the schema, tables with their sizes and where their rows go, slots, and about how long the copy takes. What was finished before is told as done. Changes nothing; what would stop a run ends this too (see check).")
    .argument("<file>", "a pipeline file")
    .requiredOption("--connect", "ask the servers: without them nothing is known of tables")
    .option("--sql", "print the SQL too: of the schema phases for each shard, of the copy for the source")
    .option("--rate <MB/s>", "what copying is taken to bring, for the estimate", rateOf, RATE)
    .addHelpText("after", "\nExample:\n  pg-reshard plan reshard.toml --connect")
    .action(async (file: string, flags: PlanFlags, command: Command) => {
      const choice = pipelineChoice(command, file);
      await execute("plan", async ({ report, terminal }) => {
        const pipeline = loadPipeline(choice, terminal.environment);
        for (const message of pipeline.notes) report({ type: "note", message });
        const plan = await planPipeline({ pipeline, report });
        const shards = pipeline.to.shards.length;
        const head = `${pipeline.from.name} (${counted(pipeline.from.shards.length, "shard")}) to ${pipeline.to.name} (${counted(shards, "shard")})${plan.begun ? ", begun already" : ""}:\n`;
        const sql = flags.sql === true ? plan.stages.filter((stage) => stage.sql !== undefined && !stage.done).map((stage) => `\n-- ${stage.stage}\n\n${stage.sql!}`) : [];
        return { ok: true, text: head + planText(plan, { width: terminal.columns, shards, bytesPerSecond: flags.rate * MEGABYTE }) + sql.join(""), fields: { plan } };
      });
    });
}

function rateOf(text: string): number {
  const rate = Number(text);
  if (!(rate > 0) || !Number.isFinite(rate)) throw new InvalidArgumentError("A number of megabytes a second.");
  return rate;
}
