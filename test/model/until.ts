import { setTimeout as later } from "node:timers/promises";

const PATIENCE_MILLISECONDS = 60_000;

/** Waits for a state; fails where it does not come. */
export async function until(what: string, reached: () => Promise<boolean> | boolean, patience = PATIENCE_MILLISECONDS): Promise<void> {
  if (!(await reachedWithin(patience, reached))) throw new Error(`not within ${patience / 1000} s: ${what}`);
}

/** Waits for a state that need not come. */
export async function reachedWithin(patience: number, reached: () => Promise<boolean> | boolean): Promise<boolean> {
  const deadline = performance.now() + patience;
  for (;;) {
    if (await reached()) return true;
    if (performance.now() > deadline) return false;
    await later(5);
  }
}
