import { ConfigurationError } from "../../config/configuration-error.js";
import type { FlowStage } from "../../config/types.js";
import { Sessions } from "../sessions.js";
import { readFlowEnds } from "./flow-ends.js";
import type { FlowContext, FlowSurroundings } from "./flow-parts.js";
import { runChanges } from "./run-changes.js";
import { runRows } from "./run-rows.js";

/**
 * Runs a flow: its source, its operators and its sink in one loop.
 *
 * @throws ConfigurationError where source or sink are not described rightly; else ReshardError
 */
export async function runFlowStage(stage: FlowStage, surroundings: FlowSurroundings): Promise<void> {
  const read = readFlowEnds(stage);
  if ("problems" in read) throw new ConfigurationError(read.problems);
  const { flow, openSource, openSink } = read.ends;
  const sessions = new Sessions(`flow ${flow}`);
  const context: FlowContext = { ...surroundings, sessions };
  try {
    const source = await openSource(context);
    const sink = openSink(context);
    if (source.kind === "rows") await runRows(source, sink, context);
    else await runChanges(source, sink, context);
  } finally {
    await sessions.kept.close();
  }
}
