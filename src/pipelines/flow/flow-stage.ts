import { ConfigurationError } from "../../config/configuration-error.js";
import type { FlowStage } from "../../config/types.js";
import { PipelineOperators } from "../pipeline-operators.js";
import { Sessions } from "../sessions.js";
import { readFlowEnds } from "./flow-ends.js";
import type { FlowContext, FlowSurroundings } from "./flow-parts.js";
import { runChanges } from "./run-changes.js";
import { runRows } from "./run-rows.js";

/**
 * Runs a flow: its source, its operators and its sink in one loop.
 *
 * @throws ConfigurationError where source, operators or sink are not described rightly; else ReshardError
 */
export async function runFlowStage(stage: FlowStage, { general, report, signal, stdout = process.stdout }: FlowSurroundings): Promise<void> {
  const read = readFlowEnds(stage);
  if ("problems" in read) throw new ConfigurationError(read.problems);
  const { flow, openSource, openSink } = read.ends;
  const operators = await PipelineOperators.load(stage, report);
  const sessions = new Sessions(`flow ${flow}`);
  const context: FlowContext = { general, report, signal, stdout, sessions, chainOf: operators.chainOf, paced: () => operators.paced() };
  try {
    const source = await openSource(context);
    operators.checkTables(source.kind === "rows" ? [source.table] : source.tables);
    const sink = openSink(context);
    if (source.kind === "rows") await runRows(source, sink, context);
    else await runChanges(source, sink, context);
  } finally {
    operators.tell();
    await sessions.kept.close();
  }
}
