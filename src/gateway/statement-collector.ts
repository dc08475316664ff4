import { parseParse, parseQuery } from "../wire/frontend-messages.js";
import { Frontend, HEADER_BYTES } from "../wire/message.js";
import type { MessageScanner } from "../wire/message-scanner.js";
import type { StatementWatch } from "./statement-watch.js";

/** Longer ones are not told of. */
const LONGEST_STATEMENT = 1024 * 1024;

/** Shows the statements that pass to the session's watch, and tells of their texts where somebody listens. */
export class StatementCollector {
  readonly #watch: StatementWatch;
  readonly #onStatement: ((text: string) => void) | undefined;
  /** Of the message that is under way: what it needs still, and what came of it. */
  #left = 0;
  #pieces: Buffer[] = [];
  #heard: Buffer[] = [];

  constructor(watch: StatementWatch, onStatement: ((text: string) => void) | undefined) {
    this.#watch = watch;
    this.#onStatement = onStatement;
  }

  /** A message was found. */
  begin(scanner: MessageScanner): void {
    const { type, start, end, bytes } = scanner;
    if (type === Frontend.bind) this.#watch.seeBind(scanner.message);
    if (type !== Frontend.query && type !== Frontend.parse) return;
    this.#pieces = [];
    this.#left = end - Math.min(end, bytes.length);
    this.#watch.see(bytes.toString("latin1", start + HEADER_BYTES, end), this.#left === 0);
    if (this.#onStatement === undefined || end - start > LONGEST_STATEMENT) return;
    this.#collect(bytes.subarray(start, end));
  }

  /** A chunk was fed: it may begin with the rest of the message before. */
  goOn({ bytes }: MessageScanner): void {
    if (this.#left === 0) return;
    const piece = bytes.subarray(0, this.#left);
    this.#left -= piece.length;
    this.#watch.see(piece.toString("latin1"), this.#left === 0);
    if (this.#pieces.length > 0) this.#collect(piece);
  }

  #collect(piece: Buffer): void {
    this.#pieces.push(piece);
    if (this.#left > 0) return;
    if (this.#heard.length === 0) setImmediate(this.#tell);
    this.#heard.push(Buffer.concat(this.#pieces));
    this.#pieces = [];
  }

  /** Off the hot path: the chunk has been sent on. */
  readonly #tell = (): void => {
    const heard = this.#heard;
    this.#heard = [];
    for (const bytes of heard) {
      const message = { type: bytes[0]!, bytes };
      try {
        this.#onStatement?.((message.type === Frontend.query ? parseQuery(message) : parseParse(message)).text);
      } catch {
        // The server has said what is wrong with it.
      }
    }
  };
}
