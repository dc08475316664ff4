import { HEADER_BYTES, type Message, type MessageLimits, messageBytes } from "./message.js";

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Where messages begin and end in the chunks of a connection, without a copy or a promise for any of them. What is
 * passed on is the chunk itself; only a header that is cut in two, or a message that is `wanted` whole, is held back until the
 * rest has come.
 *
 * `feed` a chunk, then `next` until it says false: `bytes.subarray(0, position)` can be passed on.
 */
export class MessageScanner {
  /** The chunk, with what had been held back before it. */
  bytes: Buffer = NOTHING;
  /** The message that `next` has found: its type, and where it begins. Its end may lie beyond the chunk. */
  type = 0;
  start = 0;
  end = 0;
  /** How far `bytes` has been walked. */
  position = 0;
  /** Bytes of a message that come with later chunks. */
  #rest = 0;
  #held = NOTHING;
  readonly #limits: MessageLimits;
  readonly #wanted: (type: number, length: number) => boolean;

  /** Messages that are `wanted` are found when they are whole. They are held: want short ones. */
  constructor(limits: MessageLimits, wanted: (type: number, length: number) => boolean = () => false) {
    this.#limits = limits;
    this.#wanted = wanted;
  }

  feed(chunk: Buffer): void {
    this.bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = NOTHING;
    this.position = Math.min(this.#rest, this.bytes.length);
    this.#rest -= this.position;
  }

  /** Finds the next message that begins in the chunk. Throws a `WireError` for what cannot be one. */
  next(): boolean {
    if (this.#rest > 0) return false;
    const { bytes, position } = this;
    const left = bytes.length - position;
    if (left >= HEADER_BYTES) {
      const length = messageBytes(bytes, position, this.#limits);
      const type = bytes[position]!;
      if (length <= left || !this.#wanted(type, length)) {
        this.type = type;
        this.start = position;
        this.end = position + length;
        this.position = Math.min(this.end, bytes.length);
        this.#rest = this.end - this.position;
        return true;
      }
    }
    if (left > 0) this.#held = bytes.subarray(position);
    return false;
  }

  /** The message that was found, if it lies whole in the chunk. */
  get message(): Message | undefined {
    return this.end <= this.bytes.length ? { type: this.type, bytes: this.bytes.subarray(this.start, this.end) } : undefined;
  }

  /** Gives back everything from the found message on; the scanner begins anew with it. */
  takeBack(): Buffer {
    const rest = this.bytes.subarray(this.start);
    this.position = this.start;
    this.#rest = 0;
    this.#held = NOTHING;
    return rest;
  }

  /** Bytes that came and were not passed on: the beginning of a message. */
  takeHeld(): Buffer {
    const held = this.#held;
    this.#held = NOTHING;
    return held;
  }

  /** A message was begun of which more is to come. */
  get midMessage(): boolean {
    return this.#rest > 0;
  }

  /** True between two messages, with nothing of the next. */
  get atBoundary(): boolean {
    return this.#rest === 0 && this.#held.length === 0;
  }
}
