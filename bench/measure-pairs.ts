/** One side of a comparison: does the work once and returns the seconds it took. */
export type Measure = (round: number) => Promise<number>;

/**
 * Times of two ways to do the same, taken in turn (A B A B A B), so that what else the machine does falls on both.
 * @param rounds pairs to take
 */
export async function measurePairs(rounds: number, subject: Measure, baseline: Measure): Promise<{ subject: number[]; baseline: number[] }> {
  const times = { subject: [] as number[], baseline: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    times.subject.push(await subject(round));
    times.baseline.push(await baseline(round));
  }
  return times;
}

/** Seconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
