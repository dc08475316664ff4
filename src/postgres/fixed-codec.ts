import { notOfType, type Value, type ValueCodec } from "./value.js";

/** A type whose binary form has always the same size. */
export interface FixedType {
  readonly size: number;
  readonly read: (bytes: Buffer) => Exclude<Value, null>;
  /** False: not a value of the type. */
  readonly write: (into: Buffer, value: Exclude<Value, null>) => boolean;
  readonly parse: (text: string) => Exclude<Value, null>;
  /** Of a value that `write` has taken, and what it has written. */
  readonly print?: (value: Exclude<Value, null>, bytes: Buffer) => string;
}

export function fixedCodec(type: string, { size, read, write, parse, print = String }: FixedType): ValueCodec {
  return {
    decode(bytes, format) {
      if (format === "text") return parse(bytes.toString("utf8"));
      if (bytes.length !== size) throw notOfType(type, `${bytes.length} bytes`);
      return read(bytes);
    },
    encode(value, format) {
      const into = Buffer.allocUnsafe(size);
      // Checks it for the text too.
      if (!write(into, value)) throw notOfType(type, value);
      return format === "text" ? Buffer.from(print(value, into), "utf8") : into;
    },
  };
}
