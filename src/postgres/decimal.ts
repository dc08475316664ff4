import { defect } from "../errors.js";

/**
 * A value of `numeric`, exact. Finite: `coefficient` × 10^-`scale`, shown with `scale` digits behind the point
 * (the type's display scale).
 */
export type Decimal =
  | { readonly kind: "finite"; readonly coefficient: bigint; readonly scale: number }
  | { readonly kind: "NaN" | "Infinity" | "-Infinity" };

const BASE_DIGITS = 4;
const BASE = 10_000n;
/** Words of the binary form (`numeric_send`, utils/adt/numeric.c). */
const SIGN_NEGATIVE = 0x4000;
const SIGN_NAN = 0xc000;
const SIGN_POSITIVE_INFINITY = 0xd000;
const SIGN_NEGATIVE_INFINITY = 0xf000;

const FINITE = /^(?<sign>-?)(?<whole>\d+)(?:\.(?<fraction>\d+))?$/;
/** What numeric can hold: digits before the point, and behind it (numeric.c: NUMERIC_WEIGHT_MAX, NUMERIC_DSCALE_MAX). */
const MOST_WHOLE_DIGITS = 131_072;
const MOST_SCALE = 16_383;

/** True for what `decimalFromText` reads and numeric can hold. */
export function isDecimalText(text: string): boolean {
  if (text === "NaN" || text === "Infinity" || text === "-Infinity") return true;
  const parts = FINITE.exec(text)?.groups;
  return parts !== undefined && parts["whole"]!.length <= MOST_WHOLE_DIGITS && (parts["fraction"] ?? "").length <= MOST_SCALE;
}

/** Of `numeric_out`, and of every integer type's output. */
export function decimalFromText(text: string): Decimal {
  if (text === "NaN" || text === "Infinity" || text === "-Infinity") return { kind: text };
  const match = FINITE.exec(text);
  if (match === null) throw defect(`${JSON.stringify(text.slice(0, 50))} is no number of PostgreSQL's output.`);
  const { sign, whole, fraction = "" } = match.groups as { sign: string; whole: string; fraction?: string };
  const magnitude = BigInt(whole + fraction);
  return { kind: "finite", coefficient: sign === "-" ? -magnitude : magnitude, scale: fraction.length };
}

/** Of `numeric_send`. */
export function decimalFromBinary(bytes: Buffer): Decimal {
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  if (sign === SIGN_NAN) return { kind: "NaN" };
  if (sign === SIGN_POSITIVE_INFINITY) return { kind: "Infinity" };
  if (sign === SIGN_NEGATIVE_INFINITY) return { kind: "-Infinity" };
  let magnitude = 0n;
  for (let digit = 0; digit < count; digit++) magnitude = magnitude * BASE + BigInt(bytes.readUInt16BE(8 + 2 * digit));
  // The last base-10000 digit stands for 10000^(weight - count + 1); behind the scale there are zeros only.
  const places = scale + BASE_DIGITS * (weight - count + 1);
  const coefficient = places >= 0 ? magnitude * 10n ** BigInt(places) : magnitude / 10n ** BigInt(-places);
  return { kind: "finite", coefficient: sign === SIGN_NEGATIVE ? -coefficient : coefficient, scale };
}

/** As `numeric_out` writes it. */
export function decimalToText(value: Decimal): string {
  if (value.kind !== "finite") return value.kind;
  const negative = value.coefficient < 0n;
  const digits = (negative ? -value.coefficient : value.coefficient).toString().padStart(value.scale + 1, "0");
  const point = digits.length - value.scale;
  return `${negative ? "-" : ""}${digits.slice(0, point)}${value.scale === 0 ? "" : `.${digits.slice(point)}`}`;
}

/** As `numeric_send` writes it. */
export function decimalToBinary(value: Decimal): Buffer {
  if (value.kind !== "finite") {
    const sign = { NaN: SIGN_NAN, Infinity: SIGN_POSITIVE_INFINITY, "-Infinity": SIGN_NEGATIVE_INFINITY }[value.kind];
    return words([0, 0, sign, value.kind === "NaN" ? 0 : 0x20]);
  }
  const negative = value.coefficient < 0n;
  const magnitude = negative ? -value.coefficient : value.coefficient;
  // Digits in groups of four from the point on, to both sides.
  const fractionGroups = Math.ceil(value.scale / BASE_DIGITS);
  let text = (magnitude * 10n ** BigInt(fractionGroups * BASE_DIGITS - value.scale)).toString();
  text = text.padStart(Math.ceil(text.length / BASE_DIGITS) * BASE_DIGITS, "0");
  let groups = Array.from({ length: text.length / BASE_DIGITS }, (_, group) => Number(text.slice(group * BASE_DIGITS, (group + 1) * BASE_DIGITS)));
  let weight = groups.length - fractionGroups - 1;
  const first = groups.findIndex((group) => group !== 0);
  if (first < 0) return words([0, 0, 0, value.scale]);
  groups = groups.slice(first);
  weight -= first;
  while (groups.at(-1) === 0) groups.pop();
  return words([groups.length, weight, negative ? SIGN_NEGATIVE : 0, value.scale, ...groups]);
}

/** In PostgreSQL's order: `-Infinity`, the finite ones, `Infinity`, NaN; NaN equals itself. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.kind !== "finite" || b.kind !== "finite") return rank(a) - rank(b);
  if (a.scale === b.scale) return order(a.coefficient, b.coefficient);
  return a.scale < b.scale
    ? order(a.coefficient * 10n ** BigInt(b.scale - a.scale), b.coefficient)
    : order(a.coefficient, b.coefficient * 10n ** BigInt(a.scale - b.scale));
}

/** As `numeric_add`: the larger scale of the two. */
export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind === "finite" && b.kind === "finite") {
    const scale = Math.max(a.scale, b.scale);
    return { kind: "finite", coefficient: a.coefficient * 10n ** BigInt(scale - a.scale) + b.coefficient * 10n ** BigInt(scale - b.scale), scale };
  }
  if (a.kind === "NaN" || b.kind === "NaN") return { kind: "NaN" };
  if (a.kind === "finite") return b;
  return b.kind === "finite" || a.kind === b.kind ? a : { kind: "NaN" };
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(value: Decimal): number {
  return { "-Infinity": -1, finite: 0, Infinity: 1, NaN: 2 }[value.kind];
}

function words(values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(2 * values.length);
  values.forEach((value, index) => bytes.writeUInt16BE(value & 0xffff, 2 * index));
  return bytes;
}
