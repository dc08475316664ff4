import type { Lsn } from "./lsn.js";
import { malformedPgoutput, skipTuple } from "./pgoutput-tuple.js";

/** Reads one message's fields in turn and never past the message's end. */
export class PgoutputReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #offset: number;

  constructor(buffer: Buffer, offset: number, end: number) {
    if (!(offset >= 0 && offset <= end && end <= buffer.length)) {
      throw malformedPgoutput(`A message is said to lie at ${offset} to ${end} of a buffer of ${buffer.length} bytes`, offset);
    }
    this.#buffer = buffer;
    this.#offset = offset;
    this.#end = end;
  }

  uint8(): number {
    return this.#buffer[this.#take(1)]!;
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#take(2));
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4));
  }

  int64(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8));
  }

  lsn(): Lsn {
    return this.#buffer.readBigUInt64BE(this.#take(8));
  }

  /** UTF-8 up to a zero byte. */
  string(): string {
    const start = this.#offset;
    const zero = this.#buffer.indexOf(0, start);
    if (zero < 0 || zero >= this.#end) throw malformedPgoutput("A message ends within a string", start);
    this.#offset = zero + 1;
    return this.#buffer.toString("utf8", start, zero);
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Buffer {
    const start = this.#take(length);
    return this.#buffer.subarray(start, start + length);
  }

  /** Steps over a TupleData; its offset. */
  tuple(): number {
    const start = this.#offset;
    this.#offset = skipTuple(this.#buffer, start, this.#end);
    return start;
  }

  /** Reserved flags that PostgreSQL sends as 0 and refuses otherwise. */
  noFlags(): void {
    const flags = this.uint8();
    if (flags !== 0) throw this.malformed(`The unknown flags ${flags} are set`);
  }

  /** Fails where the message goes on. */
  finish(): void {
    if (this.#offset !== this.#end) throw this.malformed(`A message has ${this.#end - this.#offset} bytes too many`);
  }

  malformed(what: string): Error {
    return malformedPgoutput(what, this.#offset);
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length < 0 || length > this.#end - start) throw malformedPgoutput(`A message ends early: ${length} bytes were expected, ${this.#end - start} are left`, start);
    this.#offset = start + length;
    return start;
  }
}
