import type pg from "pg";
import { endQuietly } from "../postgres/connection.js";
import { checkStopped, interrupted } from "./interrupted.js";

/** Waits for what a session does, which may be long; ends the session, and fails with INTERRUPTED, when the operator asks to stop. */
export async function stopWaiting<T>(signal: AbortSignal, client: pg.Client, work: () => Promise<T>): Promise<T> {
  checkStopped(signal);
  let onAbort = (): void => undefined;
  const stopped = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(interrupted());
      void endQuietly(client);
    };
  });
  signal.addEventListener("abort", onAbort, { once: true });
  const working = work();
  working.catch(() => undefined);
  try {
    return await Promise.race([working, stopped]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
