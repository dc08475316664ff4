/**
 * Sleeps until the other thread has set `wakeUp[0]` to something other than 0. Being woken is not enough: a notification
 * that belongs to the reply before may come late, when that reply was seen without sleeping.
 */
export function awaitReply(wakeUp: Int32Array): void {
  while (Atomics.load(wakeUp, 0) === 0) Atomics.wait(wakeUp, 0, 0);
}
