import { ReshardError } from "../errors.js";
import { decimalFromBinary, decimalFromText, decimalToBinary, decimalToText, isDecimalText } from "./decimal.js";
import { fixedCodec as fixed } from "./fixed-codec.js";
import { floatText } from "./float-text.js";
import { formatLsn, parseLsn } from "./lsn.js";
import { TIME_CODECS } from "./time-codecs.js";
import { notOfType as wrong, type ValueCodec } from "./value.js";

export type { Value, ValueCodec } from "./value.js";

/**
 * The codec of a type by its `pg_type.typname` (of the base type where it is a domain), or `enum` for an enumerated type.
 * Types that are not known here (arrays, ranges, composite, network and geometric types, bit strings, money) can be decoded
 * and encoded in text only.
 */
export function valueCodec(type: string): ValueCodec {
  return hasCodec(type) ? CODECS[type]! : unknownType(type);
}

/** False: only in text can values of the type be read and made. */
export function hasCodec(type: string): boolean {
  return Object.hasOwn(CODECS, type);
}

/** True where values of the type are their text, in binary too. */
export function isTextual(type: string): boolean {
  return TEXTUAL.has(type);
}

/** Types whose binary form is their text in UTF-8 (textsend, enum_send and the like). */
const TEXTUAL = new Set(["text", "varchar", "bpchar", "name", "citext", "json", "xml", "unknown", "enum"]);

const textual = (type: string): ValueCodec => ({
  decode: (bytes) => bytes.toString("utf8"),
  encode(value) {
    if (typeof value !== "string") throw wrong(type, value);
    if (value.includes("\0")) throw wrong(type, value);
    return Buffer.from(value, "utf8");
  },
});

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

function float(type: "float4" | "float8", size: 4 | 8): ValueCodec {
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
    parse: size === 4 ? (text) => Math.fround(Number(text)) : Number,
    print: (value) => floatText(size === 4 ? Math.fround(value as number) : (value as number), type),
  });
}

/** Of oid and its like: 32 bits without a sign. */
function unsigned(type: string): ValueCodec {
  return fixed(type, {
    size: 4,
    read: (bytes) => bytes.readUInt32BE(0),
    write(into, value) {
      if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 2 ** 32) return false;
      into.writeUInt32BE(value, 0);
      return true;
    },
    parse: Number,
  });
}

/** `"char"`: one byte, shown as `charout` does (utils/adt/char.c). */
function charText(byte: number): string {
  if (byte === 0) return "";
  return byte < 0x80 ? String.fromCharCode(byte) : `\\${byte.toString(8)}`;
}

/** jsonb_send writes a version before the text (JSONB_SEND_VERSION_NUMBER, utils/adt/jsonb.c). */
const JSONB_VERSION = 1;

const CODECS: Readonly<Record<string, ValueCodec>> = {
  ...TIME_CODECS,
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
  numeric: {
    decode: (bytes, format) => (format === "text" ? bytes.toString("latin1") : decimalToText(decimalFromBinary(bytes))),
    encode(value, format) {
      if (typeof value !== "string" || !isDecimalText(value)) throw wrong("numeric", value);
      const decimal = decimalFromText(value);
      return format === "text" ? Buffer.from(decimalToText(decimal), "latin1") : decimalToBinary(decimal);
    },
  },
  oid: unsigned("oid"),
  xid: unsigned("xid"),
  cid: unsigned("cid"),
  char: fixed("\"char\"", {
    size: 1,
    read: (bytes) => charText(bytes[0]!),
    write(into, value) {
      if (typeof value !== "string") return false;
      const byte = /^\\[0-3][0-7]{2}$/.test(value) ? Number.parseInt(value.slice(1), 8) : value === "" ? 0 : value.charCodeAt(0);
      into[0] = byte;
      return byte < 256 && charText(byte) === value;
    },
    parse: (text) => text,
  }),
  pg_lsn: fixed("pg_lsn", {
    size: 8,
    read: (bytes) => formatLsn(bytes.readBigUInt64BE(0)),
    write(into, value) {
      if (typeof value !== "string" || !/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i.test(value)) return false;
      into.writeBigUInt64BE(parseLsn(value), 0);
      return true;
    },
    parse: (text) => text,
    print: (value) => formatLsn(parseLsn(value as string)),
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

/** What is said to whoever needs a value of a type without codec in binary. */
export function readInTextOnly(type: string): ReshardError {
  return new ReshardError("VALUE_TYPE_UNKNOWN", `Operators cannot read or make values of type ${type} in binary.`, {
    remedy: 'Set resharding_copy_format = "text" in [general]: then they are their text.',
  });
}

function unknownType(type: string): ValueCodec {
  return {
    decode(bytes, format) {
      if (format === "binary") throw readInTextOnly(type);
      return bytes.toString("utf8");
    },
    encode(value, format) {
      if (format === "binary") throw readInTextOnly(type);
      if (typeof value !== "string") throw wrong(type, value);
      return Buffer.from(value, "utf8");
    },
  };
}
