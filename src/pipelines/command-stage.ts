import type { CommandStage } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { Report } from "./events.js";
import { runCommand, SHOWN_CHARACTERS } from "./run-command.js";

/** What a command stage works with. */
export interface CommandSurroundings {
  /** Of a pipeline that moves a database: the names of source and destination, `PG_RESHARD_FROM` and `PG_RESHARD_TO` for the command. */
  readonly sides?: { readonly from: string; readonly to: string };
  readonly signal: AbortSignal;
  readonly report: Report;
}

/**
 * Runs the command of a stage in a shell; the end of what it printed becomes a note.
 *
 * @throws ReshardError COMMAND_FAILED, or INTERRUPTED
 */
export async function runCommandStage({ run, timeout }: CommandStage, { sides, signal, report }: CommandSurroundings): Promise<void> {
  const printed = await runCommand({
    command: run,
    timeout,
    environment: sides === undefined ? {} : { PG_RESHARD_FROM: sides.from, PG_RESHARD_TO: sides.to },
    signal,
    failed: (what) => new ReshardError("COMMAND_FAILED", `The stage's command ${JSON.stringify(run.slice(0, SHOWN_CHARACTERS))} ${what}.`, {
      remedy: "Run it by hand to see what is wrong and put it right; then run the pipeline again, which goes on with this stage.",
    }),
  });
  const words = printed.trim().slice(-SHOWN_CHARACTERS);
  if (words !== "") report({ type: "note", message: words });
}
