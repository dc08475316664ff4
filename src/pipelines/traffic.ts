import type { ServerAddress } from "../config/types.js";

/** How the open transactions end when traffic is paused. */
export interface Drain {
  /** Milliseconds that open transactions are given. */
  readonly timeout: number;
  /** What happens with those that are still open then. */
  readonly action: "abort" | "cancel";
  /** Aborted when the cutover is given up: `pause` rejects soon. */
  readonly signal: AbortSignal;
}

/**
 * What holds the applications' statements back while a database is cut over, and knows which side they go to. `resume`
 * can be called in every state, any number of times.
 */
export interface Traffic {
  /** What an operator should know before anything is stopped, a sentence each: statements that the shards would refuse. */
  warnings(): Promise<readonly string[]>;
  /**
   * Lets no transaction begin from here on; resolves when none is open. The source can be asked for its position then.
   *
   * Fails with CUTOVER_DRAIN_TIMEOUT where transactions are still open after the time they were given and `action` is `abort`.
   */
  pause(drain: Drain): Promise<void>;
  /** Makes the destination the side that is in charge, for good: it is so after a crash too once this has resolved. */
  switch(): Promise<void>;
  /** Which side is in charge, as it would be after a crash now. Undefined where that cannot be known by looking. */
  inCharge(): Promise<"source" | "destination" | undefined>;
  /** Statements that wait go on, at the side that is in charge. */
  resume(): Promise<void>;
  /** Server processes on a source shard that are this traffic's own, by process id; undefined where they cannot be told from others. */
  processesOn(shard: ServerAddress): Promise<ReadonlySet<number> | undefined>;
}
