/**
 * Like `Promise.all`, but waits for every one also where one fails: what has failed must not go on behind its caller's
 * back, writing to shards or taking locks. Throws the first failure in the order given.
 */
export async function allSettled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(work);
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}
