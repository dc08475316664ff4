import type { Writable } from "node:stream";
import { ReshardError } from "../errors.js";
import { type Lsn, maxLsn } from "../postgres/lsn.js";
import type { TextOutput, TextWriter } from "./text-output.js";

/**
 * A stream such as standard output: what was written has left us, and cannot be taken back. Whoever reads it keeps it, so
 * a run that begins where one before was killed may repeat what came last.
 */
export class WrittenStream implements TextOutput {
  readonly #stream: Writable;
  #position: Lsn = 0n;
  #isNew = true;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  position(): Promise<Lsn> {
    return Promise.resolve(this.#position);
  }

  open(): Promise<TextWriter> {
    const isNew = this.#isNew;
    return Promise.resolve({
      isNew,
      write: async (text) => {
        this.#isNew = false;
        await new Promise<void>((resolve, reject) => {
          this.#stream.write(text, (cause) => {
            if (cause === null || cause === undefined) resolve();
            else reject(new ReshardError("OUTPUT_FAILED", `The output cannot be written: ${cause.message}.`, { remedy: "Whoever read it has left. Run the same command again.", cause }));
          });
        });
      },
      keep: (position) => {
        this.#position = maxLsn(this.#position, position);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
