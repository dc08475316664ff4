import { ReshardError } from "../errors.js";
import type { ValueFormat } from "./value-format.js";

/** A value in JavaScript: int2, int4 and floats as numbers, int8 as bigint, bytea as its bytes, all others as their text. */
export type Value = null | boolean | number | bigint | string | Buffer;

/** Turns a type's values from bytes and into bytes. NULL is not its matter. */
export interface ValueCodec {
  /** @param format what the bytes are: of the type's send function, or of its output function in UTF-8 */
  decode(bytes: Buffer, format: ValueFormat): Exclude<Value, null>;
  /** @throws ReshardError VALUE_NOT_OF_TYPE */
  encode(value: Exclude<Value, null>, format: ValueFormat): Buffer;
}

/**
 * The codec of a type by its `pg_type.typname` (of the base type where it is a domain). Types that are not known here can
 * be decoded and encoded in text only.
 */
export function valueCodec(type: string): ValueCodec {
  return CODECS[type] ?? unknownType(type);
}

/** True where values of the type are their text, in binary too. */
export function isTextual(type: string): boolean {
  return TEXTUAL.has(type);
}

/** Types whose binary form is their text in UTF-8 (textsend and the like). */
const TEXTUAL = new Set(["text", "varchar", "bpchar", "name", "citext", "json", "xml", "unknown"]);

function wrong(type: string, value: unknown): ReshardError {
  const shown = typeof value === "bigint" ? `${value}n` : typeof value === "string" ? JSON.stringify(value) : String(value);
  return new ReshardError("VALUE_NOT_OF_TYPE", `${shown} is no value of type ${type}.`, { remedy: "Correct the operator that made it." });
}

const textual = (type: string): ValueCodec => ({
  decode: (bytes) => bytes.toString("utf8"),
  encode(value) {
    if (typeof value !== "string") throw wrong(type, value);
    if (value.includes("\0")) throw wrong(type, value);
    return Buffer.from(value, "utf8");
  },
});

/** Of a type whose text form is plain to make and read, and whose binary form is `size` bytes. */
function fixed(type: string, { size, read, write, parse, print = String }: {
  readonly size: number;
  readonly read: (bytes: Buffer) => Exclude<Value, null>;
  /** False: not a value of the type. */
  readonly write: (into: Buffer, value: Exclude<Value, null>) => boolean;
  readonly parse: (text: string) => Exclude<Value, null>;
  readonly print?: (value: Exclude<Value, null>) => string;
}): ValueCodec {
  return {
    decode(bytes, format) {
      if (format === "text") return parse(bytes.toString("utf8"));
      if (bytes.length !== size) throw wrong(type, `${bytes.length} bytes`);
      return read(bytes);
    },
    encode(value, format) {
      const into = Buffer.allocUnsafe(size);
      // Checks it for the text too.
      if (!write(into, value)) throw wrong(type, value);
      return format === "text" ? Buffer.from(print(value), "utf8") : into;
    },
  };
}

function integer(type: string, size: 2 | 4): ValueCodec {
  const limit = 2 ** (8 * size - 1);
  return fixed(type, {
    size,
    read: (bytes) => bytes.readIntBE(0, size),
    write(into, value) {
      if (typeof value !== "number" || !Number.isInteger(value) || value < -limit || value >= limit) return false;
      into.writeIntBE(value, 0, size);
      return true;
    },
    parse: Number,
  });
}

function float(type: string, size: 4 | 8): ValueCodec {
  return fixed(type, {
    size,
    read: (bytes) => (size === 4 ? bytes.readFloatBE(0) : bytes.readDoubleBE(0)),
    write(into, value) {
      if (typeof value !== "number") return false;
      if (size === 4) into.writeFloatBE(value, 0);
      else into.writeDoubleBE(value, 0);
      return true;
    },
    // PostgreSQL writes Infinity, -Infinity and NaN as JavaScript does.
    parse: Number,
  });
}

/** jsonb_send writes a version before the text (JSONB_SEND_VERSION_NUMBER, utils/adt/jsonb.c). */
const JSONB_VERSION = 1;

const CODECS: Readonly<Record<string, ValueCodec>> = {
  ...Object.fromEntries([...TEXTUAL].map((type) => [type, textual(type)])),
  bool: fixed("bool", {
    size: 1,
    read: (bytes) => bytes[0] !== 0,
    write(into, value) {
      into[0] = value === true ? 1 : 0;
      return typeof value === "boolean";
    },
    parse: (text) => text === "t",
    print: (value) => (value === true ? "t" : "f"),
  }),
  int2: integer("int2", 2),
  int4: integer("int4", 4),
  int8: fixed("int8", {
    size: 8,
    read: (bytes) => bytes.readBigInt64BE(0),
    write(into, value) {
      if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) return false;
      into.writeBigInt64BE(value, 0);
      return true;
    },
    parse: BigInt,
  }),
  float4: float("float4", 4),
  float8: float("float8", 8),
  uuid: fixed("uuid", {
    size: 16,
    read: (bytes) => bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    write(into, value) {
      if (typeof value !== "string" || !/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) return false;
      into.write(value.replaceAll("-", ""), 0, "hex");
      return true;
    },
    parse: (text) => text,
    print: (value) => (value as string).toLowerCase(),
  }),
  bytea: {
    // Text: bytea_output = hex, which our sessions leave as it is.
    decode: (bytes, format) => (format === "text" ? Buffer.from(bytes.toString("latin1").slice(2), "hex") : bytes),
    encode(value, format) {
      if (!Buffer.isBuffer(value)) throw wrong("bytea", value);
      return format === "text" ? Buffer.from(`\\x${value.toString("hex")}`, "latin1") : value;
    },
  },
  jsonb: {
    decode: (bytes, format) => (format === "text" ? bytes : bytes.subarray(1)).toString("utf8"),
    encode(value, format) {
      if (typeof value !== "string") throw wrong("jsonb", value);
      return format === "text" ? Buffer.from(value, "utf8") : Buffer.concat([Buffer.from([JSONB_VERSION]), Buffer.from(value, "utf8")]);
    },
  },
};

function unknownType(type: string): ValueCodec {
  const refuse = (): ReshardError => new ReshardError("VALUE_TYPE_UNKNOWN", `Operators cannot read or make values of type ${type} in binary.`, {
    remedy: 'Set resharding_copy_format = "text" in [general]: then they are their text.',
  });
  return {
    decode(bytes, format) {
      if (format === "binary") throw refuse();
      return bytes.toString("utf8");
    },
    encode(value, format) {
      if (format === "binary") throw refuse();
      if (typeof value !== "string") throw wrong(type, value);
      return Buffer.from(value, "utf8");
    },
  };
}
