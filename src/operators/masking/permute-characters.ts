import type { PermutePair } from "./permute-pair.js";

/** Characters that take each other's places: `size` of them from `first` on. */
export interface CharacterClass {
  readonly first: number;
  readonly size: number;
}

export const DIGITS: CharacterClass = { first: 0x30, size: 10 };
export const LETTERS_AND_DIGITS: readonly CharacterClass[] = [DIGITS, { first: 0x41, size: 26 }, { first: 0x61, size: 26 }];

/** Characters that are permuted together: half of them, as letters, are a number below 26^9, which is below `LARGEST_HALF`. */
const TOGETHER = 18;

/**
 * Text of the same shape: each character of a class becomes one of its class, all others stay. Different texts stay
 * different. Long ones are permuted in pieces, each in a way that those before it decide.
 *
 * ```
 * in   +1 555-0107   Ab1
 * out  +8 294-6610   Xq7
 * ```
 * @param tweak texts under another one are permuted in another way
 */
export function permuteCharacters(text: string, classes: readonly CharacterClass[], permute: PermutePair, tweak: string): string {
  const codes = Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  const places = codes.flatMap((code, at) => {
    const of = classes.find(({ first, size }) => code >= first && code < first + size);
    return of === undefined ? [] : [{ at, of }];
  });
  for (let start = 0; start < places.length; start += TOGETHER) {
    const some = places.slice(start, start + TOGETHER);
    const middle = Math.ceil(some.length / 2);
    const [left, right] = [numberOf(some.slice(0, middle), codes), numberOf(some.slice(middle), codes)];
    const before = start === 0 ? "" : text.slice(0, some[0]!.at);
    const permuted = permute({ left: left.value, right: right.value }, left.size, right.size, `characters/${tweak}/${before}`);
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
function numberOf(spots: readonly Spot[], codes: readonly number[]): { readonly value: number; readonly size: number } {
  let value = 0;
  let size = 1;
  for (const { at, of } of spots) {
    value = value * of.size + codes[at]! - of.first;
    size *= of.size;
  }
  return { value, size };
}

function spell(value: number, spots: readonly Spot[], codes: number[]): void {
  for (const { at, of } of spots.toReversed()) {
    codes[at] = of.first + (value % of.size);
    value = Math.floor(value / of.size);
  }
}
