import { ReshardError } from "../errors.js";
import type { ValueFormat } from "./value-format.js";

/**
 * A value in JavaScript: int2, int4, oid and floats as numbers, int8 as bigint, bytea as its bytes, all others as their
 * text (dates and times in ISO style, timestamptz in UTC).
 */
export type Value = null | boolean | number | bigint | string | Buffer;

/** Turns a type's values from bytes and into bytes. NULL is not its matter. */
export interface ValueCodec {
  /** @param format what the bytes are: of the type's send function, or of its output function in UTF-8 */
  decode(bytes: Buffer, format: ValueFormat): Exclude<Value, null>;
  /** @throws ReshardError VALUE_NOT_OF_TYPE */
  encode(value: Exclude<Value, null>, format: ValueFormat): Buffer;
}

export function notOfType(type: string, value: unknown): ReshardError {
  const shown = typeof value === "bigint" ? `${value}n` : typeof value === "string" ? JSON.stringify(value) : String(value);
  return new ReshardError("VALUE_NOT_OF_TYPE", `${shown} is no value of type ${type}.`, { remedy: "Correct the operator that made it." });
}
