import { ConfigurationError, type Problem } from "../../config/configuration-error.js";
import type { FlowPipeline, FlowStage, Stage } from "../../config/types.js";
import { runCommandStage } from "../command-stage.js";
import { explainError } from "../explain-error.js";
import { checkStopped } from "../interrupted.js";
import { stageName } from "../stage-name.js";
import { readFlowEnds } from "./flow-ends.js";
import type { FlowSurroundings } from "./flow-parts.js";
import { runFlowStage } from "./flow-stage.js";

export interface RunFlowsOptions extends Omit<FlowSurroundings, "general"> {
  readonly pipeline: FlowPipeline;
}

/**
 * Runs the stages of a pipeline that moves no database, in order, each of them every time: there is no journal. Rows replace
 * what a run before has written; changes go on where the sink has them up to.
 */
export async function runFlows({ pipeline, ...surroundings }: RunFlowsOptions): Promise<void> {
  const { report, signal } = surroundings;
  checkFlows(pipeline.stages);
  for (const message of pipeline.notes) report({ type: "note", message });
  try {
    for (const stage of pipeline.stages) {
      checkStopped(signal);
      const started = Date.now();
      report({ type: "stage-started", stage: stageName(stage) });
      if (stage.type === "command") await runCommandStage(stage, { signal, report });
      else await runFlowStage(stage, { general: pipeline.general, ...surroundings });
      report({ type: "stage-finished", stage: stageName(stage), milliseconds: Date.now() - started });
    }
  } catch (error) {
    throw explainError(error);
  }
}

/** @throws ConfigurationError, before anything is begun */
export function checkFlows(stages: readonly Stage[]): void {
  const problems = flowProblems(stages);
  if (problems.length > 0) throw new ConfigurationError(problems);
}

/** All that is wrong with the sources and sinks of a pipeline's flows. */
export function flowProblems(stages: readonly Stage[]): readonly Problem[] {
  return flowsOf(stages).flatMap((stage) => {
    const read = readFlowEnds(stage);
    return "problems" in read ? read.problems : [];
  });
}

/** Whether a flow writes to standard output, where nothing else should then. */
export function writesToStdout(stages: readonly Stage[]): boolean {
  return flowsOf(stages).some((stage) => {
    const read = readFlowEnds(stage);
    return "ends" in read && read.ends.toStdout;
  });
}

function flowsOf(stages: readonly Stage[]): readonly FlowStage[] {
  return stages.filter((stage) => stage.type === "flow");
}
