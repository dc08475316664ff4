import { setTimeout as sleep } from "node:timers/promises";

/** Asks again until the answer is yes; the time lost to asking is that of `everyMilliseconds` at most. */
export async function until(what: string, ask: () => Promise<boolean>, everyMilliseconds = 10, limitSeconds = 1800): Promise<void> {
  const deadline = Date.now() + limitSeconds * 1000;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`${what}: not reached within ${limitSeconds} s`);
    await sleep(everyMilliseconds);
  }
}
