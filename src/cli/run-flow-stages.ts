import type { FlowPipeline, Stage } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { runFlows, writesToStdout } from "../pipelines/flow/run-flows.js";
import type { Outcome, Tools } from "./perform.js";

/** Runs a pipeline that moves no database. Standard output is its sinks'. */
export async function runFlowStages(pipeline: FlowPipeline, { terminal, report, signal }: Tools): Promise<Outcome> {
  checkStdout(pipeline.stages, terminal);
  await runFlows({ pipeline, report, signal });
  return { ok: true, text: "", fields: {} };
}

/** @throws ReshardError STDOUT_TAKEN where events and a sink's rows would be mixed */
export function checkStdout(stages: readonly Stage[], terminal: Tools["terminal"]): void {
  if (!terminal.json || !writesToStdout(stages)) return;
  throw new ReshardError("STDOUT_TAKEN", "A sink writes to standard output, and so would --json.", { remedy: "Leave out --json; or give the sink a file." });
}
