import { createCipheriv } from "node:crypto";
import type { MaskKey } from "./mask-key.js";

/** As FF3-1 has (NIST SP 800-38G): each half is changed four times. */
const ROUNDS = 8;
/** Sizes of halves stay far below a round's 48 bits, so that what is left of them by division is as good as even. */
export const LARGEST_HALF = 2 ** 43;
const MOST_TAGS = 10_000;

/** A number in two halves: `left` below `leftSize`, `right` below `rightSize`. */
export interface Pair {
  readonly left: number;
  readonly right: number;
}

/** A permutation of all pairs of these sizes, one for each tweak. @param leftSize up to `LARGEST_HALF`, likewise `rightSize` */
export type PermutePair = (pair: Pair, leftSize: number, rightSize: number, tweak: string) => Pair;

/**
 * Permutations under a key: an unbalanced Feistel network whose round function is AES-256, as in FF3-1, under a key that
 * HMAC-SHA-256 derives. Different values stay different, so that masked keys and unique columns stay unique.
 */
export function pairPermutation(key: MaskKey): PermutePair {
  // Without a mode and padding: one block in, one block out.
  const cipher = createCipheriv("aes-256-ecb", key.digest("permutation", ""), null).setAutoPadding(false);
  const block = Buffer.alloc(16);
  const tags = new Map<string, Buffer>();
  const tagOf = (tweak: string): Buffer => {
    let tag = tags.get(tweak);
    if (tag === undefined) {
      if (tags.size >= MOST_TAGS) tags.clear();
      tag = key.digest("tweak", tweak).subarray(0, 9);
      tags.set(tweak, tag);
    }
    return tag;
  };
  const draw = (round: number, half: number): number => {
    block[9] = round;
    block.writeUIntBE(half, 10, 6);
    return cipher.update(block).readUIntBE(0, 6);
  };
  return ({ left, right }, leftSize, rightSize, tweak) => {
    tagOf(`${tweak}/${leftSize}/${rightSize}`).copy(block);
    for (let round = 0; round < ROUNDS; round += 2) {
      left = (left + draw(round, right)) % leftSize;
      right = (right + draw(round + 1, left)) % rightSize;
    }
    return { left, right };
  };
}
