import type { TextWriter } from "./text-output.js";

/** Attempts at writing one file, of which one at most goes on. */
export class Attempts {
  #last: Promise<TextWriter | undefined> = Promise.resolve(undefined);

  /** Begins one when the one before has ended. */
  async open(begin: () => Promise<TextWriter>): Promise<TextWriter> {
    const opened = this.close().then(begin);
    this.#last = opened.catch(() => undefined);
    return await opened;
  }

  /** Ends the last one. */
  async close(): Promise<void> {
    await (await this.#last)?.close();
  }
}
