import type { CutoverSettings } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { checkStopped } from "./interrupted.js";
import type { LiveReplication } from "./live-replication.js";

const LOOK_MILLISECONDS = 50;

/**
 * Waits until no source shard's lag is over the threshold, measured anew each time.
 *
 * @throws ReshardError CUTOVER_LAG where that takes longer than `timeout`
 */
export async function waitForLag(replication: LiveReplication, { stopThreshold, timeout }: Pick<CutoverSettings, "stopThreshold" | "timeout">, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const timer = setTimeout(() => { over.abort(); }, timeout);
  let lag: number | undefined;
  try {
    for (;;) {
      lag = Math.max(...(await replication.lag(AbortSignal.any([signal, over.signal]))));
      if (lag <= stopThreshold) return;
      if (over.signal.aborted) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
      checkStopped(signal);
    }
  } catch (error) {
    if (!over.signal.aborted || signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
  throw new ReshardError("CUTOVER_LAG", `The shards are ${lag === undefined ? "not yet where the source is" : `${lag} bytes of WAL behind`}, and did not come closer than ${stopThreshold} bytes within ${timeout} ms.`, {
    remedy: "Nothing was paused. Cut over again when less is written; or raise cutover_traffic_stop_threshold or cutover_timeout in [general].",
  });
}
