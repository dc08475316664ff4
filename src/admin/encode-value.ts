import { type ColumnType, textOf, type Value } from "./answer.js";

/** Microseconds of 2000-01-01, PostgreSQL's epoch, since 1970 (POSTGRES_EPOCH_JDATE, datatype/timestamp.h). */
const POSTGRES_EPOCH = 946_684_800_000_000n;

/** A value in the format a client asked for, binary as the type's send function writes it; undefined is NULL. */
export function encodeValue(value: Value, type: ColumnType, format: "text" | "binary"): Buffer | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  if (format === "text") return Buffer.from(text, "utf8");
  switch (type) {
    case "text":
      return Buffer.from(text, "utf8");
    case "bool":
      return Buffer.from([text === "t" ? 1 : 0]);
    case "int8":
      return bytes(8, (buffer) => buffer.writeBigInt64BE(BigInt(text)));
    case "int4":
      return bytes(4, (buffer) => buffer.writeInt32BE(Number(text)));
    case "float8":
      return bytes(8, (buffer) => buffer.writeDoubleBE(Number(text)));
    case "timestamptz":
      return bytes(8, (buffer) => buffer.writeBigInt64BE(BigInt(new Date(text).getTime()) * 1000n - POSTGRES_EPOCH));
  }
}

function bytes(size: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(size);
  write(buffer);
  return buffer;
}
