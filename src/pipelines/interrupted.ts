import { ReshardError } from "../errors.js";

/** The operator asked to stop at a point where the work was not complete; all of it can be resumed. */
export function interrupted(): ReshardError {
  return new ReshardError("INTERRUPTED", "Stopped before the work was complete.", {
    remedy: "Run the same command again: it goes on from here.",
  });
}

export function checkStopped(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted();
}
