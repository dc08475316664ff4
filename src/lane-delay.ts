import { setTimeout as sleep } from "node:timers/promises";

/**
 * Work is begun in one session, and in further ones where it takes longer than opening them: lane 1 after 100 ms, lane 2
 * after 200. Small work is done by then.
 */
const MILLISECONDS = 100;

/** Resolves when a lane, counted from 0, should begin; at once where `over` is aborted, for there is nothing left. */
export async function laneDelay(lane: number, over: AbortSignal): Promise<void> {
  if (lane === 0) return;
  await sleep(lane * MILLISECONDS, undefined, { signal: over }).catch(() => undefined);
}
