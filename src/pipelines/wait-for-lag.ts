import type { CutoverSettings } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { checkStopped } from "./interrupted.js";
import type { LiveReplication } from "./live-replication.js";

const LOOK_MILLISECONDS = 50;

/**
 * Waits until no source shard's lag is over the threshold, measured anew each time; as long as it grows less, however long
 * that takes.
 *
 * @throws ReshardError CUTOVER_LAG where it did not for `timeout` milliseconds
 */
export async function waitForLag(replication: LiveReplication, { stopThreshold, timeout }: Pick<CutoverSettings, "stopThreshold" | "timeout">, signal: AbortSignal): Promise<void> {
  let least = Infinity;
  let deadline = Date.now() + timeout;
  while (Date.now() < deadline) {
    const lag = await lagWithin(replication, deadline, signal);
    if (lag <= stopThreshold) return;
    if (lag < least) {
      least = lag;
      deadline = Date.now() + timeout;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
    checkStopped(signal);
  }
  throw new ReshardError("CUTOVER_LAG", `The shards are ${least === Infinity ? "not where the source is" : `${least} bytes of WAL behind at least`}, and did not come closer to ${stopThreshold} bytes within ${timeout} ms.`, {
    remedy: "Nothing was paused. Cut over again when less is written; or raise cutover_traffic_stop_threshold or cutover_timeout in [general].",
  });
}

/** The largest lag; Infinity where none could be measured before the deadline. */
async function lagWithin(replication: LiveReplication, deadline: number, signal: AbortSignal): Promise<number> {
  const over = new AbortController();
  const timer = setTimeout(() => { over.abort(); }, deadline - Date.now());
  try {
    return Math.max(...(await replication.lag(AbortSignal.any([signal, over.signal]))));
  } catch (error) {
    if (!over.signal.aborted || signal.aborted) throw error;
    return Infinity;
  } finally {
    clearTimeout(timer);
  }
}
