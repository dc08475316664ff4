import { defect } from "../errors.js";

/**
 * What one writer does, one thing after the other. Once it is closed nothing begins any more, not even what an attempt
 * that was given up was about to do.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  async take<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      if (this.#isClosed) throw defect("a file was written to after its end");
      return await work();
    });
    this.#last = result.catch(() => undefined);
    return await result;
  }

  /** Runs `last` after all that has begun; again without effect. */
  async close(last: () => Promise<void>): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#last = this.#last.then(last, last);
    }
    await this.#last;
  }
}
