import { map } from "rxjs";
import { z } from "zod";
import { displayName } from "../../postgres/identifiers.js";
import { type Value, valueCodec } from "../../postgres/value-codec.js";
import type { TableBatch, TableShape } from "../../table-batch.js";
import type { TableColumn } from "../../value-column.js";
import { digitsMask, emailMask, HASH_LENGTH, hashMask, type Mask, METHOD_TYPES } from "../masking/mask-methods.js";
import { MaskKey } from "../masking/mask-key.js";
import { rememberMasks } from "../masking/remember-masks.js";
import { OperatorOptionError } from "../operator-option-error.js";
import { defineOperator } from "../table-operator.js";
import { nameOption, numberOption } from "./option-schemas.js";

const METHODS = 'one of "null", "hash", "email", "digits", { constant = … } and { hash = length }';
const KEY = 'a secret of 16 characters or more, from the environment: key = "${MASK_KEY}"';
const CONSTANT = "a string, a number or true or false";

const method = z.union(
  [
    z.enum(["null", "hash", "email", "digits"]),
    z.strictObject({ constant: z.union([z.string(), z.number(), z.bigint(), z.boolean()], { error: CONSTANT }) }),
    z.strictObject({ hash: numberOption((length) => Number.isInteger(length) && length >= 4 && length <= 64, "a length from 4 to 64") }),
  ],
  { error: METHODS },
);
type Method = z.infer<typeof method>;

const options = z.strictObject({
  columns: z.record(nameOption("a column's name"), method, { error: "a table of columns and how they are masked, such as { email = \"email\" }" })
    .refine((columns) => Object.keys(columns).length > 0, { error: "at least one column" })
    .describe('By column: "null"; { constant = … }; "hash" or, of that many hexadecimal digits, { hash = length }; "email"; "digits".'),
  key: z.string({ error: KEY }).min(16, { error: KEY }).optional().describe("The secret without which nobody can tell what a mask stands for. Needed for hash, email and digits; the same key gives the same masks."),
}).refine(({ columns, key }) => key !== undefined || !Object.values(columns).some(isKeyed), { error: KEY, path: ["key"] });

/**
 * Replaces the values of columns, the same value by the same one in every table, so that joins still work.
 *
 * NULL stays NULL. `hash` gives text hexadecimal digits, and a uuid another uuid. Integers under `hash`, and what
 * `digits` masks, are permuted: different values stay different, so keys and unique columns may be masked so.
 * `email` keeps the shape of an address and ends it in `.test`, where nobody is. Masks of smallint columns differ from
 * those of the other integers.
 *
 * ```
 * columns = { email = "email", phone = "digits", note = "null" }
 * in   [1 'ana.lima@mail.org' '+1 555-0107' 'calls late']
 * out  [1 'qxe.zrfo@bhtc.test' '+8 294-6610' NULL]
 * ```
 *
 * @example
 * ```toml
 * [operators.private]
 * type = "mask"
 * key = "${MASK_KEY}"
 * columns = { email = "email", phone = "digits", name = "hash", note = "null", country = { constant = "XX" } }
 * ```
 */
export const maskOperator = defineOperator({
  name: "mask",
  options,
  columns: ({ columns }) => Object.keys(columns),
  create({ columns, key }, { table }) {
    const secret = new MaskKey(key ?? "");
    const changes = table.columns.flatMap((column) => {
      const how = Object.hasOwn(columns, column.name) ? columns[column.name] : undefined;
      return how === undefined ? [] : [{ name: column.name, change: changeOf(how, column, table, secret) }];
    });
    if (changes.length === 0) return undefined;
    return {
      writes: changes.map(({ name }) => name),
      drops: false,
      operator: map((batch: TableBatch) => changes.reduce((changed, { name, change }) => change(changed, name), batch)),
    };
  },
});

function isKeyed(how: Method): boolean {
  return how !== "null" && !(typeof how === "object" && "constant" in how);
}

type Change = (batch: TableBatch, name: string) => TableBatch;

function changeOf(how: Method, column: TableColumn, table: TableShape, key: MaskKey): Change {
  const option = ["columns", column.name];
  if (column.partOfKey && !isKeyed(how)) {
    throw new OperatorOptionError(`${displayName(table)}.${column.name} is part of the key, and all its rows would have the same.`, { option }, 'Mask it with "hash" or "digits", which keep different keys different.');
  }
  if (how === "null") return replaced(null);
  if (typeof how === "object" && "constant" in how) return replaced(constantOf(how.constant, column, table));
  const name = typeof how === "object" ? "hash" : how;
  const mask = maskOf(name, column.type, key, typeof how === "object" ? how.hash : HASH_LENGTH);
  if (mask === undefined) throw new OperatorOptionError(`${displayName(table)}.${column.name} is ${column.type}: "${name}" is for ${METHOD_TYPES[name]}`, { option }, 'Mask it with "null" or { constant = … }.');
  const remembered = rememberMasks(mask);
  return (batch, of) => {
    const values = batch.column(of);
    return batch.with(of, (row) => {
      const value = values.value(row);
      return value === null || value === undefined ? value : remembered(value);
    });
  };
}

function maskOf(name: "hash" | "email" | "digits", type: string, key: MaskKey, length: number): Mask | undefined {
  switch (name) {
    case "hash":
      return hashMask(type, key, length);
    case "email":
      return emailMask(type, key);
    case "digits":
      return digitsMask(type, key);
  }
}

/** The value that all others of the column become. */
function constantOf(constant: string | number | bigint | boolean, { name, type }: TableColumn, table: TableShape): Exclude<Value, null> {
  const integral = typeof constant === "bigint" || Number.isInteger(constant);
  const value = type === "int8" && integral ? BigInt(constant) : type === "numeric" && (typeof constant === "number" || typeof constant === "bigint") ? String(constant) : constant;
  try {
    valueCodec(type).encode(value, "text");
    return value;
  } catch {
    const shown = typeof constant === "string" ? JSON.stringify(constant) : String(constant);
    throw new OperatorOptionError(`${displayName(table)}.${name} is ${type}: ${shown} is none of its values`, { option: ["columns", name] }, 'Give it a value of that type, or mask it with "null".');
  }
}

function replaced(by: Value): Change {
  return (batch, name) => {
    const column = batch.column(name);
    const bytes = by === null ? null : column.codec.encode(by, batch.format);
    return batch.withBytes(name, (row) => {
      const former = column.bytes(row);
      return former === null || former === undefined ? former : bytes;
    });
  };
}
