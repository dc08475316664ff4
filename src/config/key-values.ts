import { quoted } from "./configuration-error.js";
import type { KeyType } from "./types.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/iu;

/** What a value of a mapping has to be for this data type. */
export const KEY_VALUE_EXPECTED: Readonly<Record<KeyType, string>> = {
  bigint: "an integer, because data_type is bigint",
  uuid: "a UUID of 36 characters, because data_type is uuid",
  varchar: "a string, because data_type is varchar",
};

export function isKeyValue(type: KeyType, value: bigint | string): boolean {
  if (type === "bigint") return typeof value === "bigint";
  return typeof value === "string" && (type === "varchar" || UUID.test(value));
}

/** The order of two values of one data type: integers by size, uuid and text by their bytes. */
export function compareKeyValues(type: KeyType, a: bigint | string, b: bigint | string): number {
  if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : a > b ? 1 : 0;
  return Buffer.compare(Buffer.from(canonical(type, a)), Buffer.from(canonical(type, b)));
}

/** The same string for equal values. */
export function canonical(type: KeyType, value: bigint | string): string {
  return type === "uuid" ? String(value).toLowerCase() : String(value);
}

export function keyValueText(value: bigint | string): string {
  return typeof value === "bigint" ? String(value) : quoted(value);
}
