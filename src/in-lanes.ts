import { setTimeout as sleep } from "node:timers/promises";

/** Small work is done before a further session is open: lane 1 begins after 100 ms, lane 2 after 200. */
const MILLISECONDS = 100;

export interface Lanes<Item, Lane> {
  /** How many there are at most. */
  readonly width: number;
  /** How many of them need not be opened first; these begin at once, as the first does. */
  readonly ready: number;
  /** @param lane counted from 0 */
  readonly open: (lane: number) => Promise<Lane>;
  readonly work: (item: Item, lane: Lane) => Promise<void>;
}

/**
 * Does some work piece by piece, in order, several at a time where it takes longer than opening what a further lane needs.
 * After a failure no piece is begun; the first failure is thrown once all lanes have ended.
 */
export async function inLanes<Item, Lane>(items: readonly Item[], { width, ready, open, work }: Lanes<Item, Lane>): Promise<void> {
  const queue = [...items];
  const over = new AbortController();
  let failure: { readonly error: unknown } | undefined;
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, async (_, place) => {
    try {
      if (place > 0 && place >= ready) await sleep(place * MILLISECONDS, undefined, { signal: over.signal }).catch(() => undefined);
      if (queue.length === 0) return;
      const lane = await open(place);
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, lane);
    } catch (error) {
      failure ??= { error };
      queue.length = 0;
    } finally {
      // Nothing is left for those that wait.
      over.abort();
    }
  }));
  if (failure !== undefined) throw failure.error;
}
