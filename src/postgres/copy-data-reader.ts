import type { Socket } from "node:net";
import type pg from "pg";
import { defect } from "../errors.js";

/**
 * Payloads of consecutive CopyData messages, where they lie in the bytes as the socket gave them: payload `i` is
 * `buffer[starts[i] .. ends[i])`. Between payloads lie the messages' own five bytes.
 */
export interface CopyDataFrames {
  readonly buffer: Buffer;
  readonly count: number;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** A notice or warning: its SQLSTATE and words. */
export interface ServerNotice {
  readonly code: string;
  readonly message: string;
}

/** What node-postgres hands a query that it submits, as far as it is used here. */
interface Connection {
  readonly stream: Socket;
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** Message types of the frontend/backend protocol (manual, "Message Formats"). */
const COPY_DATA = 0x64; // d
const COPY_OUT_RESPONSE = 0x48; // H
const COPY_BOTH_RESPONSE = 0x57; // W
const NOTICE_RESPONSE = 0x4e; // N
const PARAMETER_STATUS = 0x53; // S
const NOTIFICATION_RESPONSE = 0x41; // A
/** Type byte and Int32 length. */
const HEADER_BYTES = 5;

const INITIAL_BUFFER_BYTES = 256 * 1024;
const INITIAL_FRAMES = 2048;
/** What one read from the socket brings at most (libuv). */
const READ_BYTES = 64 * 1024;

/**
 * Runs a statement that answers with CopyData (`COPY … TO STDOUT`, `START_REPLICATION`) and walks the messages right
 * in the socket's bytes. A COPY sends one message per row; re-slicing and emitting each, as general readers do, costs
 * about as much CPU as all the rest of a copy.
 *
 * After each read from the socket `onData` is called; the owner `take`s the complete payloads when it wants them.
 * `done` settles when the server has ended the statement. `onNotice` hears of notices as they stand in the stream,
 * before `onData` tells of the payloads that came with them.
 */
export class CopyDataReader {
  readonly done: Promise<void>;
  #buffer = Buffer.allocUnsafeSlow(INITIAL_BUFFER_BYTES);
  /** Bytes of `#buffer` that are filled, and how far whole messages reach. */
  #filled = 0;
  #walked = 0;
  #starts = new Uint32Array(INITIAL_FRAMES);
  #ends = new Uint32Array(INITIAL_FRAMES);
  #count = 0;
  #connection: Connection | undefined;
  #attached = false;
  #paused = false;
  #discarding = false;
  #formerListeners: ((chunk: Buffer) => void)[] = [];
  readonly #text: string;
  readonly #onData: () => void;
  readonly #onNotice: (notice: ServerNotice) => void;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor(client: pg.Client, text: string, onData: () => void, onNotice: (notice: ServerNotice) => void = () => undefined) {
    this.#text = text;
    this.#onData = onData;
    this.#onNotice = onNotice;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
    // node-postgres calls back on this object; see `submit`, `handleError` and the like below.
    client.query(this as unknown as pg.Submittable);
  }

  /** Bytes of whole messages that wait to be taken. */
  get bytes(): number {
    return this.#walked;
  }

  /** How many payloads wait to be taken, and where: for a look before `take`. */
  get waiting(): CopyDataFrames {
    return { buffer: this.#buffer, count: this.#count, starts: this.#starts, ends: this.#ends };
  }

  /** Hands over the first `count` payloads that wait (default: all); the rest is kept for the next call. */
  take(count = this.#count): CopyDataFrames {
    const taken: CopyDataFrames = { buffer: this.#buffer, count, starts: this.#starts, ends: this.#ends };
    const cut = count === this.#count ? this.#walked : count === 0 ? 0 : this.#ends[count - 1]!;
    const rest = this.#filled - cut;
    // Takes are mostly like the one before: with room for that and a read, neither bytes nor offsets move while they grow.
    const buffer = Buffer.allocUnsafeSlow(Math.max(INITIAL_BUFFER_BYTES, rest + READ_BYTES, cut + READ_BYTES));
    this.#buffer.copy(buffer, 0, cut, this.#filled);
    const left = this.#count - count;
    const size = Math.max(INITIAL_FRAMES, left * 2, count + (count >> 3));
    const starts = new Uint32Array(size);
    const ends = new Uint32Array(size);
    for (let frame = 0; frame < left; frame++) {
      starts[frame] = taken.starts[count + frame]! - cut;
      ends[frame] = taken.ends[count + frame]! - cut;
    }
    this.#buffer = buffer;
    this.#filled = rest;
    this.#walked -= cut;
    this.#starts = starts;
    this.#ends = ends;
    this.#count = left;
    return taken;
  }

  /** Stops reading the socket; the server then waits. */
  pause(): void {
    this.#paused = true;
    if (this.#attached) this.#connection?.stream.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#attached) this.#connection?.stream.resume();
  }

  /** From now on reads and throws away, so that the server can end the stream. */
  discard(): void {
    this.#discarding = true;
    this.resume();
  }

  /** Sends one CopyData message to the server (CopyBoth only). */
  send(message: Buffer): void {
    this.#connection?.sendCopyFromChunk(message);
  }

  /** Sends CopyDone: the server ends the stream and answers (CopyBoth only). */
  end(): void {
    this.#connection?.endCopyFrom();
  }

  // ---- called by node-postgres ----

  submit(connection: Connection): void {
    this.#connection = connection;
    connection.query(this.#text);
    const stream = connection.stream;
    this.#formerListeners = stream.listeners("data") as ((chunk: Buffer) => void)[];
    for (const listener of this.#formerListeners) stream.removeListener("data", listener);
    stream.on("data", this.#onChunk);
    this.#attached = true;
    if (this.#paused) stream.pause();
  }

  handleError(error: Error): void {
    this.#detach(undefined);
    this.#reject(error);
  }

  handleReadyForQuery(): void {
    this.#resolve();
  }

  handleRowDescription(): void {
    this.#reject(defect("a COPY answered with rows"));
  }

  handleCommandComplete(): void {
    // ReadyForQuery follows.
  }

  handleCopyData(): void {
    // A walsender may send a little more behind its CopyDone.
  }

  handleEmptyQuery(): void {
    // ReadyForQuery follows.
  }

  // ---- the socket ----

  readonly #onChunk = (chunk: Buffer): void => {
    this.#append(chunk);
    const rest = this.#walk();
    if (this.#discarding) this.#dropWalked();
    else if (this.#walked > 0) this.#onData();
    if (rest) this.#detach(this.#buffer.subarray(this.#walked, this.#filled));
  };

  #append(chunk: Buffer): void {
    if (this.#filled + chunk.length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#filled + chunk.length));
      this.#buffer.copy(larger, 0, 0, this.#filled);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#filled);
    this.#filled += chunk.length;
  }

  /** Notes every whole CopyData message; true when another kind of message ends the copy. */
  #walk(): boolean {
    const buffer = this.#buffer;
    const filled = this.#filled;
    let at = this.#walked;
    let count = this.#count;
    while (at + HEADER_BYTES <= filled) {
      const type = buffer[at]!;
      const next = at + 1 + buffer.readUInt32BE(at + 1);
      if (type === COPY_DATA) {
        if (next > filled) break;
        if (count === this.#starts.length) this.#growFrames();
        this.#starts[count] = at + HEADER_BYTES;
        this.#ends[count] = next;
        count++;
      } else if (type === COPY_OUT_RESPONSE || type === COPY_BOTH_RESPONSE || type === NOTICE_RESPONSE || type === PARAMETER_STATUS || type === NOTIFICATION_RESPONSE) {
        if (next > filled) break;
        if (type === NOTICE_RESPONSE) this.#onNotice(readNotice(buffer, at + HEADER_BYTES, next));
      } else {
        this.#walked = at;
        this.#count = count;
        return true;
      }
      at = next;
    }
    this.#walked = at;
    this.#count = count;
    return false;
  }

  #dropWalked(): void {
    this.#buffer.copyWithin(0, this.#walked, this.#filled);
    this.#filled -= this.#walked;
    this.#walked = 0;
    this.#count = 0;
  }

  #growFrames(): void {
    const starts = new Uint32Array(this.#starts.length * 2);
    const ends = new Uint32Array(this.#ends.length * 2);
    starts.set(this.#starts);
    ends.set(this.#ends);
    this.#starts = starts;
    this.#ends = ends;
  }

  /** Gives the socket back to node-postgres, with the bytes that are not ours. */
  #detach(rest: Buffer | undefined): void {
    if (!this.#attached) return;
    this.#attached = false;
    const stream = this.#connection!.stream;
    stream.removeListener("data", this.#onChunk);
    for (const listener of this.#formerListeners) stream.on("data", listener);
    // A copy, for node-postgres keeps what it has not parsed yet while our buffer goes to the owner.
    if (rest !== undefined && rest.length > 0) for (const listener of this.#formerListeners) listener(Buffer.from(rest));
    stream.resume();
  }
}

/** Fields of a byte and a string each, up to a zero byte (manual, "Error and Notice Message Fields"). */
function readNotice(buffer: Buffer, start: number, end: number): ServerNotice {
  const fields = new Map<string, string>();
  for (let at = start; at < end && buffer[at] !== 0; ) {
    const zero = buffer.indexOf(0, at + 1);
    fields.set(String.fromCharCode(buffer[at]!), buffer.toString("utf8", at + 1, zero));
    at = zero + 1;
  }
  return { code: fields.get("C") ?? "", message: fields.get("M") ?? "" };
}
