import type { Pipeline } from "../config/types.js";
import { isRetryable, reasonOf } from "../postgres/server-errors.js";
import type { Report } from "./events.js";

export interface RetryOptions {
  /** For people: what is tried. */
  readonly what: string;
  /** Attempts after the first; 0 is for ever. */
  readonly maxAttempts: number;
  /** Milliseconds before the first retry. */
  readonly minDelay: number;
  /** Each wait is twice the one before, up to 32 times the first. */
  readonly exponential: boolean;
  /** False: the first failure is the last. */
  readonly isAllowed?: boolean;
  readonly signal: AbortSignal;
  readonly report: Report;
}

/** How long the copy and the schema try, by `[general] resharding_copy_retry_*`. */
export function patienceOf({ pipeline: { general }, signal, report }: Pick<RetryOptions, "signal" | "report"> & { readonly pipeline: Pick<Pipeline, "general"> }): Omit<RetryOptions, "what" | "isAllowed"> {
  return { maxAttempts: general.reshardingCopyRetryMaxAttempts, minDelay: general.reshardingCopyRetryMinDelay, exponential: true, signal, report };
}

/**
 * Does `attempt` again after passing trouble (a lost connection, a restarting server, a deadlock). `attempt` may call
 * `progressed`, after which attempts and delays count from the start.
 */
export async function withRetries<T>(options: RetryOptions, attempt: (progressed: () => void) => Promise<T>): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      return await attempt(() => { failures = 0; });
    } catch (error) {
      failures++;
      if (options.isAllowed === false || !isRetryable(error) || options.signal.aborted || (options.maxAttempts > 0 && failures > options.maxAttempts)) throw error;
      const delay = options.minDelay * (options.exponential ? 2 ** Math.min(failures - 1, 5) : 1);
      options.report({ type: "retry", what: options.what, reason: reasonOf(error), attempt: failures, delay });
      await pause(delay, options.signal);
    }
  }
}

/** Waits, but no longer than until the signal. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
  });
}
