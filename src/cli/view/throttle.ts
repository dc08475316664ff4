/** Lets something by at most once in an interval, for each key. */
export class Throttle {
  readonly #interval: number;
  readonly #last = new Map<string, number>();

  constructor(interval: number) {
    this.#interval = interval;
  }

  due(key: string, now: number): boolean {
    const last = this.#last.get(key);
    if (last !== undefined && now - last < this.#interval) return false;
    this.#last.set(key, now);
    return true;
  }

  /** As if it had just been let by: the first time is an interval from now. */
  start(key: string, now: number): void {
    if (!this.#last.has(key)) this.#last.set(key, now);
  }
}
