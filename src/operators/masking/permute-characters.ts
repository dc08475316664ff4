import type { MaskKey } from "./mask-key.js";
import { permutePair } from "./permute-pair.js";

/** Characters that take each other's places: `size` of them from `first` on. */
export interface CharacterClass {
  readonly first: number;
  readonly size: number;
}

export const DIGITS: CharacterClass = { first: 0x30, size: 10 };
export const LETTERS_AND_DIGITS: readonly CharacterClass[] = [DIGITS, { first: 0x41, size: 26 }, { first: 0x61, size: 26 }];

/** Characters that are permuted together; half of them are a number that `permutePair` takes. */
const TOGETHER = 48;

/**
 * Text of the same shape: each character of a class becomes one of its class, all others stay. Different texts stay
 * different.
 *
 * ```
 * in   +1 555-0107   Ab1
 * out  +8 294-6610   Xq7
 * ```
 * @param tweak texts under another one are permuted in another way
 */
export function permuteCharacters(text: string, classes: readonly CharacterClass[], key: MaskKey, tweak: string): string {
  const codes = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  const places = codes.flatMap((code, at) => {
    const of = classes.find(({ first, size }) => code >= first && code < first + size);
    return of === undefined ? [] : [{ at, of }];
  });
  for (let start = 0; start < places.length; start += TOGETHER) {
    const some = places.slice(start, start + TOGETHER);
    const middle = Math.ceil(some.length / 2);
    const [left, right] = [numberOf(some.slice(0, middle), codes), numberOf(some.slice(middle), codes)];
    const permuted = permutePair({ left: left.value, right: right.value }, left.size, right.size, key, `characters/${tweak}/${start}`);
    spell(permuted.left, some.slice(0, middle), codes);
    spell(permuted.right, some.slice(middle), codes);
  }
  return String.fromCharCode(...codes);
}

interface Spot {
  readonly at: number;
  readonly of: CharacterClass;
}

/** Characters as the digits of a number, each in the base of its class. */
function numberOf(spots: readonly Spot[], codes: readonly number[]): { readonly value: bigint; readonly size: bigint } {
  let value = 0n;
  let size = 1n;
  for (const { at, of } of spots) {
    value = value * BigInt(of.size) + BigInt(codes[at]! - of.first);
    size *= BigInt(of.size);
  }
  return { value, size };
}

function spell(value: bigint, spots: readonly Spot[], codes: number[]): void {
  for (const { at, of } of spots.toReversed()) {
    codes[at] = of.first + Number(value % BigInt(of.size));
    value /= BigInt(of.size);
  }
}
