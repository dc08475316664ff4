import type { General } from "../config/types.js";
import type { Lsn } from "../postgres/lsn.js";
import type { Aim } from "./aim.js";
import type { Report } from "./events.js";
import { withRetries } from "./with-retries.js";

export interface StreamUntilOptions {
  /** For people: what is tried. */
  readonly what: string;
  readonly aim: Aim;
  readonly general: General;
  /** What is on the way is finished, then it ends. */
  readonly stop: AbortSignal;
  readonly report: Report;
}

/**
 * Streams again and again after passing trouble, until the aim is reached or the operator stops it.
 *
 * @param attempt streams until its signal is aborted, and tells how far the sink is and how many changes came
 */
export async function streamUntil({ what, aim, general, stop: asked, report }: StreamUntilOptions, attempt: (stop: AbortSignal, durable: (position: Lsn, changes: number) => void) => Promise<void>): Promise<void> {
  const over = new AbortController();
  const stop = AbortSignal.any([asked, aim.reached, over.signal]);
  const monitoring = aim.watch(stop);
  const streaming = withRetries(
    { what, maxAttempts: general.reshardingReplicationRetryMaxAttempts, minDelay: general.reshardingReplicationRetryMinDelay, exponential: false, signal: stop, report },
    async (progressed) => {
      if (stop.aborted) return;
      await attempt(stop, (position, changes) => {
        progressed();
        aim.durable(position, changes);
      });
    },
  );
  try {
    await Promise.race([streaming, monitoring.failed]);
  } finally {
    aim.end();
    // Whichever of the two failed, the other does not go on behind the run's back.
    over.abort();
    await Promise.allSettled([streaming, monitoring.done]);
  }
}
