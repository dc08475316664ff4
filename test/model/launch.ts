import type { Pipeline } from "../../src/config/types.js";
import { ReshardError } from "../../src/errors.js";
import { runPipeline } from "../../src/pipelines/run-pipeline.js";
import { startCommand } from "../support/cli.js";

/** How a run ended: as it was asked to, by trouble after which it is just run again, by SIGKILL, or as it must not. */
export type Ending = { readonly kind: "done" | "killed" } | { readonly kind: "again" | "failed"; readonly code: string; readonly error: unknown };

/** A run of the pipeline, here or in a process of its own. */
export interface Launched {
  readonly ended: Promise<Ending>;
  stop(): void;
  /** Only a process can be. */
  kill(): void;
}

export type OnEvent = (event: { readonly type: string; readonly stage?: unknown; readonly reason?: unknown }) => void;

export function launchHere(pipeline: Pipeline, onEvent: OnEvent): Launched {
  const stop = new AbortController();
  return {
    ended: runPipeline({ pipeline, signal: stop.signal, report: onEvent }).then(() => ({ kind: "done" as const }), endingOf),
    stop() { stop.abort(); },
    kill() { throw new Error("not a process of its own"); },
  };
}

function endingOf(error: unknown): Ending {
  if (!(error instanceof ReshardError)) return { kind: "failed", code: "no ReshardError", error };
  if (error.code === "INTERRUPTED") return { kind: "done" };
  return { kind: error.kind === "retry" ? "again" : "failed", code: error.code, error };
}

/** Codes of errors of kind "retry", which the command line does not tell. */
const AGAIN = ["CONNECTION_LOST", "SERVER_UNREACHABLE", "KEY_ON_TWO_SHARDS"];

export function launchProcess(file: string, onEvent: OnEvent): Launched {
  const run = startCommand(["run", file, "--json"], { onEvent });
  return {
    ended: run.ended.then((exit): Ending => {
      if (exit === null) return { kind: "killed" };
      const error = run.events.findLast(({ type }) => type === "error");
      if (exit === 0 || error?.["code"] === "INTERRUPTED") return { kind: "done" };
      const code = typeof error?.["code"] === "string" ? error["code"] : `exit ${exit}`;
      return { kind: AGAIN.includes(code) ? "again" : "failed", code, error: new Error(`${JSON.stringify(error)} ${run.stderr()}`) };
    }),
    stop() { run.child.kill("SIGINT"); },
    kill() { run.child.kill("SIGKILL"); },
  };
}
