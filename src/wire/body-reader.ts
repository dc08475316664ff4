import { HEADER_BYTES, type Message, protocolViolation } from "./message.js";

/** Reads a message's body from front to back. Whatever is not there is a `WireError` 08P01, as pqformat.c has it. */
export class BodyReader {
  readonly #bytes: Buffer;
  #position: number;

  /** `start`: where the body begins. */
  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes;
    this.#position = start;
  }

  static of(message: Message): BodyReader {
    return new BodyReader(message.bytes, HEADER_BYTES);
  }

  get left(): number {
    return this.#bytes.length - this.#position;
  }

  byte(): number {
    return this.bytes(1)[0]!;
  }

  int16(): number {
    return this.bytes(2).readInt16BE();
  }

  uint16(): number {
    return this.bytes(2).readUInt16BE();
  }

  int32(): number {
    return this.bytes(4).readInt32BE();
  }

  /** OIDs. */
  uint32(): number {
    return this.bytes(4).readUInt32BE();
  }

  /** Up to a zero byte, which is skipped. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#position);
    if (end < 0) throw protocolViolation("invalid string in message");
    const text = this.#bytes.toString("utf8", this.#position, end);
    this.#position = end + 1;
    return text;
  }

  bytes(count: number): Buffer {
    if (count < 0 || count > this.left) throw protocolViolation("insufficient data left in message");
    this.#position += count;
    return this.#bytes.subarray(this.#position - count, this.#position);
  }

  /** Int32 length and as many bytes; null where the length is -1. */
  value(): Buffer | null {
    const length = this.int32();
    return length === -1 ? null : this.bytes(length);
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }

  /** `count` (an Int16 that came before) things. */
  list<T>(count: number, read: () => T): T[] {
    if (count < 0) throw protocolViolation("invalid count in message");
    return Array.from({ length: count }, read);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.left > 0) throw protocolViolation("invalid message format");
  }
}
