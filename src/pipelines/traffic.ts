import type { ServerAddress } from "../config/types.js";

/** How the open transactions end when traffic is paused. */
export interface Drain {
  /** Milliseconds that open transactions are given. */
  readonly timeout: number;
  /** What happens with those that are still open then. */
  readonly action: "abort" | "cancel";
  /** Aborted when the cutover is given up: `pause` rejects soon, and takes no effect any more once it has. */
  readonly signal: AbortSignal;
}

/** A side of a cutover. On the way back the new shards are the source, and the database that was left is the destination. */
export type Side = "source" | "destination";

/**
 * What holds the applications' statements back while a database is cut over, and knows which side they go to; made for
 * one cutover in one direction. Every method may be called again: after a crash the machine does not know whether the
 * last one had got through.
 */
export interface Traffic {
  /** What an operator should know before anything is stopped, a sentence each: statements that the shards would refuse. */
  warnings(): Promise<readonly string[]>;
  /**
   * Lets no transaction begin from here on; resolves when none is open and every COMMIT was answered: what the applications
   * were told is in the source's WAL by then. Where it rejects, traffic may be held back still: `resume` follows.
   *
   * Fails with CUTOVER_DRAIN_TIMEOUT where transactions are still open after the time they were given and `action` is `abort`.
   */
  pause(drain: Drain): Promise<void>;
  /**
   * Makes the destination the side that is in charge, for good: it is so after a crash too once this has resolved. Where it
   * rejects, `inCharge` says what became of it. It is called while traffic is paused, and lets nothing through yet.
   */
  switch(): Promise<void>;
  /** Which side is in charge, as it would be after a crash now. Undefined where that cannot be known by looking. */
  inCharge(): Promise<Side | undefined>;
  /** Statements that wait go on, at the side that is in charge. In every state, also where nothing was paused. */
  resume(): Promise<void>;
  /** Server processes on a source shard that are this traffic's own, by process id; undefined where they cannot be told from others. */
  processesOn(shard: ServerAddress): Promise<ReadonlySet<number> | undefined>;
}
