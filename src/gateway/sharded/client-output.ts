import type { MessageStream } from "../../wire/message-stream.js";
import type { ClientActivity } from "../client-activity.js";

/** So many bytes are gathered before they are sent without being asked for. */
const FULL = 64 * 1024;
/** Parts that are shorter on the average are worth being copied together. */
const SHORT = 4096;

/** What goes to the client: gathered, so that an answer is one write, and held back when the client is slow. */
export class ClientOutput {
  readonly #stream: MessageStream;
  readonly #activity: ClientActivity;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(stream: MessageStream, activity: ClientActivity) {
    this.#stream = stream;
    this.#activity = activity;
  }

  /** Enough has come together: `flush` before more is added. */
  get full(): boolean {
    return this.#bytes >= FULL;
  }

  /** Whole messages; the bytes may not be changed afterwards. */
  push(bytes: Buffer): void {
    this.#bytes += bytes.length;
    const last = this.#parts.at(-1);
    // Messages that came together stay together.
    if (last !== undefined && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
      this.#parts[this.#parts.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length);
    } else this.#parts.push(bytes);
  }

  /** Sends what there is; resolves when the client takes more. */
  async flush(): Promise<void> {
    if (this.#bytes === 0) return;
    const parts = this.#parts;
    this.#activity.bytesSent += this.#bytes;
    const short = this.#bytes / parts.length < SHORT;
    this.#parts = [];
    this.#bytes = 0;
    await this.#stream.write(short ? Buffer.concat(parts) : parts);
  }
}
