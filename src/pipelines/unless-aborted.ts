import { interrupted } from "./interrupted.js";

/** Waits for what is under way, but fails with INTERRUPTED once the signal is there; the work itself goes on unseen. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => { reject(interrupted()); };
  });
  work.catch(() => undefined);
  if (signal.aborted) throw interrupted();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
