import { inspect } from "node:util";
import type { ReshardError } from "../errors.js";
import { readInTextOnly } from "../postgres/value-codec.js";

/**
 * In place of a value in binary of a type that is read in text only (arrays, ranges, inet …): what `perRow` gives back of
 * it, in the same column or another of its type, keeps its bytes. Whoever makes a text or a number of it is told.
 */
export class RawValue {
  /** As `TableColumn.type`. */
  readonly type: string;
  /** As the type's send function wrote them. */
  readonly bytes: Buffer;

  constructor(type: string, bytes: Buffer) {
    this.type = type;
    this.bytes = bytes;
  }

  /** @throws ReshardError VALUE_TYPE_UNKNOWN */
  toString(): never {
    throw this.#unreadable();
  }

  /** @throws ReshardError VALUE_TYPE_UNKNOWN */
  toJSON(): never {
    throw this.#unreadable();
  }

  /** @throws ReshardError VALUE_TYPE_UNKNOWN */
  [Symbol.toPrimitive](): never {
    throw this.#unreadable();
  }

  [inspect.custom](): string {
    return `<${this.type}, ${this.bytes.length} bytes>`;
  }

  #unreadable(): ReshardError {
    return readInTextOnly(this.type);
  }
}
