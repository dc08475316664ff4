import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { runPipeline } from "../pipelines/run-pipeline.js";
import type { Outcome, Tools } from "./perform.js";
import { checkStdout } from "./run-flow-stages.js";
import { startedEvent } from "./view/cli-event.js";
import { paintWith } from "./view/paint.js";
import { verdictSentence, verdictTable } from "./view/verdict-table.js";

/** Runs a pipeline and says what its verify stage found. */
export async function runStages(pipeline: Pipeline, tools: Tools, options: { readonly ignoreErrors?: boolean } = {}): Promise<Outcome> {
  const { terminal, signal } = tools;
  checkStdout(pipeline.stages, terminal);
  const reached = { inSync: false };
  tools.report(startedEvent(pipeline));
  const { verdicts, sound, cutover, inCharge } = await runPipeline({
    pipeline,
    signal,
    report(event) {
      if (event.type === "caught-up") reached.inSync = true;
      tools.report(event);
    },
    ...options,
  });
  if (signal.aborted && !reached.inSync && inCharge === undefined && pipeline.stages.some((stage) => stage.type === "replicate" && stage.until === "caught-up")) {
    throw new ReshardError("INTERRUPTED", "Stopped before the shards were in sync.", { remedy: "Run the same command again: it goes on from here." });
  }
  const text = verdicts.length === 0 ? "" : `${verdictTable(verdicts, terminal.columns, paintWith(terminal.colors.out))}${verdictSentence(verdicts)}\n`;
  return { ok: sound, text, fields: { ...(verdicts.length === 0 ? {} : { sound, verdicts }), ...(cutover === undefined ? {} : { cutover }) } };
}
