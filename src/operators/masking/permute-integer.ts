import type { PermutePair } from "./permute-pair.js";

interface Range {
  readonly first: bigint;
  /** Behind the last. */
  readonly end: bigint;
}

const SMALL: readonly Range[] = [{ first: 0n, end: 1n << 15n }];
/** What fits int4 stays in it: an int4 column and an int8 column that refers to it get the same masks. */
const LARGE: readonly Range[] = [{ first: 0n, end: 1n << 31n }, { first: 1n << 31n, end: 1n << 63n }];

/**
 * Another integer of the same type and sign; different ones stay different. The masks of int4 and int8 agree, those of
 * int2 are others.
 */
export function permuteInteger(value: bigint, type: "int2" | "int4" | "int8", permute: PermutePair): bigint {
  // Negative ones from -1 downwards, so that there are as many as the others.
  if (value < 0n) return -1n - magnitude(-1n - value, type, permute, "negative");
  return magnitude(value, type, permute, "integer");
}

function magnitude(value: bigint, type: "int2" | "int4" | "int8", permute: PermutePair, tweak: string): bigint {
  const { first, end } = (type === "int2" ? SMALL : LARGE).find((range) => value < range.end)!;
  const size = end - first;
  // Two halves of bits that hold the range; where they hold more, the permutation is followed until it is back in it.
  const bits = BigInt((size - 1n).toString(2).length);
  const rightBits = bits / 2n;
  let number = value - first;
  do {
    const { left, right } = permute({ left: Number(number >> rightBits), right: Number(number & ((1n << rightBits) - 1n)) }, 2 ** Number(bits - rightBits), 2 ** Number(rightBits), `${tweak}/${first}`);
    number = (BigInt(left) << rightBits) | BigInt(right);
  } while (number >= size);
  return number + first;
}
