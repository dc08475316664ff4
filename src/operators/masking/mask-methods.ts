import type { Value } from "../../postgres/value-codec.js";
import { lowerCase } from "../expression/like-pattern.js";
import type { MaskKey } from "./mask-key.js";
import { DIGITS, LETTERS_AND_DIGITS, permuteCharacters } from "./permute-characters.js";
import { permuteInteger } from "./permute-integer.js";
import { pairPermutation } from "./permute-pair.js";

type Present = Exclude<Value, null>;
/** Another value of the same type; the same for the same value, wherever it stands. */
export type Mask = (value: Present) => Present;

const TEXTS = new Set(["text", "varchar", "bpchar", "citext"]);
const INTEGERS = new Set(["int2", "int4", "int8"]);
type IntegerType = "int2" | "int4" | "int8";

/** Hexadecimal digits of a hash of text, where no other number is told: 128 bits. */
export const HASH_LENGTH = 32;

/** Types that a method takes, for messages. */
export const METHOD_TYPES = {
  hash: "text, varchar, char, citext, uuid, bytea, smallint, integer and bigint",
  email: "text, varchar, char and citext",
  digits: "text, varchar, char, citext, smallint, integer, bigint and numeric",
} as const;

/** A keyed hash in the type's own form; integers and nothing else are permuted. Undefined: not for this type. */
export function hashMask(type: string, key: MaskKey, length: number): Mask | undefined {
  if (TEXTS.has(type)) return (value) => key.digest("hash", plain(type, value)).toString("hex").slice(0, length);
  if (type === "bytea") return (value) => key.digest("hash", value as Buffer);
  if (type === "uuid") return (value) => uuidOf(key.digest("uuid", (value as string).toLowerCase()));
  if (!INTEGERS.has(type)) return undefined;
  const permute = pairPermutation(key);
  return (value) => integerOf(type, permuteInteger(BigInt(value as number | bigint), type as IntegerType, permute));
}

/**
 * An address of the same shape that nobody has: the last part of its domain is `test`, which is reserved (RFC 2606).
 * Other text is masked letter by letter. Undefined: not for this type.
 */
export function emailMask(type: string, key: MaskKey): Mask | undefined {
  if (!TEXTS.has(type)) return undefined;
  const permute = pairPermutation(key);
  return (value) => {
    const text = plain(type, value);
    const lastDot = text.lastIndexOf(".");
    const topLevel = lastDot > text.lastIndexOf("@") && text.includes("@") ? text.slice(lastDot) : "";
    const rest = text.slice(0, text.length - topLevel.length);
    // Letters of other scripts become ASCII ones; what is lost decides, with the top level, how the rest is permuted.
    const foreign: string[] = [];
    const ascii = isAscii(rest) ? rest : rest.replace(/(?![\u0001-\u007f])[\p{L}\p{N}\p{M}\p{So}]/gu, (letter) => {
      foreign.push(letter);
      return "x";
    });
    return permuteCharacters(ascii, LETTERS_AND_DIGITS, permute, `email/${topLevel}/${foreign.join("")}`) + (topLevel === "" ? "" : ".test");
  };
}

/** Each digit replaced, all else left: as many digits as before. Undefined: not for this type. */
export function digitsMask(type: string, key: MaskKey): Mask | undefined {
  const permute = pairPermutation(key);
  const permuted = (text: string): string => permuteCharacters(text, [DIGITS], permute, "digits");
  if (TEXTS.has(type)) return (value) => permuted(plain(type, value));
  if (type === "numeric") return (value) => within(value as string, permuted, isPlainNumber);
  if (!INTEGERS.has(type)) return undefined;
  const most = (1n << { int2: 15n, int4: 31n, int8: 63n }[type as IntegerType]) - 1n;
  return (value) => integerOf(type, BigInt(within(String(value), permuted, (text) => isPlainNumber(text) && BigInt(text) <= most && BigInt(text) >= -most - 1n)));
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** Follows a permutation from a text that is allowed to the next that is: still one for one. */
function within(text: string, permuted: (text: string) => string, allowed: (text: string) => boolean): string {
  if (!/\d/.test(text)) return text;
  let next = permuted(text);
  while (!allowed(next)) next = permuted(next);
  return next;
}

/** As the server writes a number: no zeros before it, and no zero with a sign. */
function isPlainNumber(text: string): boolean {
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) && !(text.startsWith("-") && !/[1-9]/.test(text));
}

/** What its type takes for equal is one value: citext in other letters, char with other blanks. */
function plain(type: string, value: Present): string {
  const text = value as string;
  return type === "citext" ? lowerCase(text) : type === "bpchar" ? text.replace(/ +$/, "") : text;
}

function integerOf(type: string, value: bigint): number | bigint {
  return type === "int8" ? value : Number(value);
}

/** Version 8, of which all other bits are free (RFC 9562). */
function uuidOf(digest: Buffer): string {
  const bytes = Buffer.from(digest.subarray(0, 16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
