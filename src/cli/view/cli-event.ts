import type { Pipeline } from "../../config/types.js";
import type { DemoEvent } from "../../demo/demo-event.js";
import type { PipelineEvent } from "../../pipelines/events.js";
import { stageName } from "../../pipelines/stage-name.js";

/** The first event of a command that runs a pipeline. */
export interface StartedEvent {
  readonly type: "started";
  readonly from: string;
  readonly to: string;
  readonly publication: string;
  readonly shards: number;
  readonly stages: readonly string[];
}

/** Everything that a command reports while it works; `--json` prints each as a line. */
export type CliEvent = PipelineEvent | DemoEvent | StartedEvent;

export function startedEvent(pipeline: Pipeline): StartedEvent {
  const { from, to, publication, stages } = pipeline;
  return { type: "started", from: from.name, to: to.name, publication, shards: to.shards.length, stages: stages.map(stageName) };
}
