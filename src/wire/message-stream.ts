import type { Duplex } from "node:stream";
import { HEADER_BYTES, type Message, type MessageLimits, messageBytes, protocolViolation } from "./message.js";
import { connectionLost, type WireError } from "./wire-error.js";

/** A start-up packet's largest length (MAX_STARTUP_PACKET_LENGTH, libpq/pqcomm.h). */
const MAX_STARTUP_PACKET_LENGTH = 10_000;
/** How long a peer is given to take the last bytes and to close, in milliseconds. */
const CLOSING_TIME = 2000;

const NOTHING: Buffer = Buffer.alloc(0);
const DONE: Promise<void> = Promise.resolve();

/**
 * The messages of a connection. Nothing is read while nobody asks, but for one chunk (by which the peer's leaving is
 * noticed) and what Node's socket holds itself; a message is gathered as its bytes come, so that a length alone costs nothing.
 *
 * One reader at a time. What the peer broke (a length, a type, the connection itself) is a `WireError`: 08P01, 08006.
 */
export class MessageStream {
  /** Resolves when the peer has closed or the connection broke, also while nobody reads. Never rejects. */
  readonly closed: Promise<void>;
  /** Which messages are known, and how long they may be. */
  limits: MessageLimits;
  readonly #socket: Duplex;
  /** What has arrived and is not taken lies between `#position` and `#filled`. */
  #buffer = NOTHING;
  #position = 0;
  #filled = 0;
  #interrupted = false;
  #ended = false;
  #lost: WireError | undefined;
  #waiting: (() => void) | undefined;
  #drained: Deferred | undefined;
  #close!: () => void;

  constructor(socket: Duplex, limits: MessageLimits) {
    this.#socket = socket;
    this.limits = limits;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
    socket.on("readable", this.#onReadable).on("end", this.#onEnd).on("close", this.#onClose).on("error", this.#onError).on("drain", this.#onDrain);
    if (socket.destroyed) this.#onClose();
  }

  /** The peer has closed, or the connection is lost: nothing will come but what has been read already. */
  get ended(): boolean {
    return this.#ended;
  }

  /** How many bytes wait to be written: more than the socket takes at once. */
  get unwritten(): number {
    return this.#socket.writableLength;
  }

  /** The next message. Undefined: the peer closed between two messages, or `interrupt` was called (`ended` tells). */
  async read(): Promise<Message | undefined> {
    for (;;) {
      const message = this.take();
      if (message !== undefined) return message;
      if (!(await this.#more())) {
        if (this.#ended && this.#held > 0) throw connectionLost("the connection was closed in the middle of a message");
        return undefined;
      }
    }
  }

  /** The next message if it is here already. */
  take(): Message | undefined {
    for (;;) {
      if (this.#held >= HEADER_BYTES) {
        const length = messageBytes(this.#buffer, this.#position, this.limits);
        if (this.#held >= length) {
          const bytes = this.#cut(length);
          return { type: bytes[0]!, bytes };
        }
      }
      if (!this.#pull()) return undefined;
    }
  }

  /** A start-up packet with its length, which comes before the first message. Undefined as for `read`. */
  async readStartup(): Promise<Buffer | undefined> {
    for (;;) {
      while (this.#held < 4 && this.#pull());
      if (this.#held >= 4) {
        const length = this.#buffer.readInt32BE(this.#position);
        if (length < 8 || length > MAX_STARTUP_PACKET_LENGTH) throw protocolViolation("invalid length of startup packet");
        while (this.#held < length && this.#pull());
        if (this.#held >= length) return this.#cut(length);
      }
      if (!(await this.#more())) {
        if (this.#ended && this.#held > 0) throw connectionLost("the connection was closed in the middle of the startup packet");
        return undefined;
      }
    }
  }

  /** What has come, wherever messages end in it: at least one byte. Undefined as for `read`. For a relay. */
  async readChunk(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#held > 0 || this.#pull()) {
        return this.#cut(this.#held);
      }
      if (!(await this.#more())) return undefined;
    }
  }

  /** Puts bytes back before everything that waits. */
  unread(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const held = this.#cut(this.#held);
    this.#buffer = held.length > 0 ? Buffer.concat([bytes, held]) : bytes;
    this.#filled = this.#buffer.length;
  }

  /** Whoever reads now is answered with undefined; nothing is lost. Without a reader nothing happens. */
  interrupt(): void {
    if (this.#waiting === undefined) return;
    this.#interrupted = true;
    this.#wake();
  }

  /** Resolves when the socket takes more; rejects where the connection is lost. Several buffers go out together. */
  write(bytes: Buffer | readonly Buffer[]): Promise<void> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (Buffer.isBuffer(bytes)) {
      if (this.#socket.write(bytes)) return DONE;
    } else {
      this.#socket.cork();
      for (const part of bytes) this.#socket.write(part);
      this.#socket.uncork();
      if (!this.#socket.writableNeedDrain) return DONE;
    }
    return this.#untilDrained();
  }

  /**
   * Sends the last bytes and closes; resolves when the peer has closed too, or has not in 2 seconds. What it sends
   * meanwhile is thrown away: unread, it would have the last bytes thrown away there.
   */
  async end(last: Buffer = NOTHING): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#empty();
    this.#socket.off("readable", this.#onReadable);
    this.#socket.end(last);
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.destroy(), CLOSING_TIME);
    await new Promise<void>((resolve) => {
      if (this.#socket.closed) resolve();
      else this.#socket.once("close", resolve);
      void this.closed.then(() => {
        if (this.#socket.writableFinished) this.#socket.destroy();
        else this.#socket.once("finish", () => this.#socket.destroy());
      });
    });
    clearTimeout(timer);
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Gives the socket away, to be encrypted; the stream is of no use then. Throws where bytes of the peer wait: they were not meant to be read so. */
  detach(): Duplex {
    if (this.#held > 0 || this.#socket.readableLength > 0) throw protocolViolation("received unencrypted data after SSL request");
    this.#socket.off("readable", this.#onReadable).off("end", this.#onEnd).off("close", this.#onClose).off("drain", this.#onDrain);
    // Errors keep their listener: without one Node would end the process.
    return this.#socket;
  }

  get #held(): number {
    return this.#filled - this.#position;
  }

  /** The first `length` bytes of what is held. */
  #cut(length: number): Buffer {
    const bytes = this.#buffer.subarray(this.#position, this.#position + length);
    this.#position += length;
    if (this.#position === this.#filled) this.#empty();
    return bytes;
  }

  /** Adds what the socket holds to what is held. */
  #pull(): boolean {
    const more = this.#socket.read() as Buffer | null;
    if (more === null || more.length === 0) return false;
    const held = this.#held;
    if (held === 0) {
      this.#buffer = more;
      this.#position = 0;
      this.#filled = more.length;
      return true;
    }
    if (this.#filled + more.length > this.#buffer.length) {
      // Twice as much each time: a long message is copied twice at most, in however small pieces it comes.
      const larger = Buffer.allocUnsafe(Math.max(held * 2, held + more.length));
      this.#buffer.copy(larger, 0, this.#position, this.#filled);
      this.#buffer = larger;
      this.#position = 0;
      this.#filled = held;
    }
    this.#filled += more.copy(this.#buffer, this.#filled);
    return true;
  }

  #empty(): void {
    this.#buffer = NOTHING;
    this.#position = 0;
    this.#filled = 0;
  }

  /** Waits for bytes; false at the end, or interrupted. */
  async #more(): Promise<boolean> {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#ended) return false;
    await new Promise<void>((resolve) => {
      this.#waiting = resolve;
    });
    if (!this.#interrupted) return true;
    this.#interrupted = false;
    return false;
  }

  #wake(): void {
    const wake = this.#waiting;
    this.#waiting = undefined;
    wake?.();
  }

  #untilDrained(): Promise<void> {
    this.#drained ??= deferred();
    return this.#drained.promise;
  }

  readonly #onReadable = (): void => {
    // With nothing held a read shows whether the peer has gone.
    if (this.#waiting === undefined && this.#held === 0) this.#pull();
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#close();
    this.#wake();
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#lost ??= connectionLost("the connection was closed");
    this.#ended = true;
    this.#close();
    this.#wake();
    this.#drained?.reject(this.#lost ?? connectionLost("the connection was closed"));
  };

  readonly #onError = (error: Error): void => {
    this.#lost ??= connectionLost(`the connection broke: ${error.message}`, error);
    // "close" follows.
  };

  readonly #onDrain = (): void => {
    this.#drained?.resolve();
    this.#drained = undefined;
  };
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function deferred(): Deferred {
  let settle!: Omit<Deferred, "promise">;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever writes waits for it, or does not care.
  promise.catch(() => undefined);
  return { promise, ...settle };
}
