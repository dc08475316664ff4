const WINDOW_MILLISECONDS = 5000;

interface Sample {
  readonly at: number;
  readonly value: number;
}

/** The slope of a total over the last seconds. */
export class RateMeter {
  #samples: Sample[] = [];

  add(value: number, at: number): void {
    const last = this.#samples.at(-1);
    // Ten samples a second are enough; batches come far more often.
    if (this.#samples.length > 1 && at - this.#samples.at(-2)!.at < 100) this.#samples.pop();
    else if (last?.at === at) this.#samples.pop();
    this.#samples.push({ at, value });
    while (this.#samples.length > 2 && this.#samples[1]!.at <= at - WINDOW_MILLISECONDS) this.#samples.shift();
  }

  /** A new beginning: what was counted before is counted again. */
  reset(): void {
    this.#samples = [];
  }

  /** Units a second; undefined until there are two moments to compare. */
  perSecond(now: number): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || now <= first.at || last.at === first.at) return undefined;
    return ((last.value - first.value) * 1000) / (now - first.at);
  }
}
