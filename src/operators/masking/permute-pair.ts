import type { MaskKey } from "./mask-key.js";

/** As FF3-1 has (NIST SP 800-38G): each half is changed four times. */
const ROUNDS = 8;

/** A number in two halves: `left` below `leftSize`, `right` below `rightSize`. */
export interface Pair {
  readonly left: bigint;
  readonly right: bigint;
}

/**
 * A permutation of all pairs of these sizes, one for each key and tweak: an unbalanced Feistel network whose round
 * function is HMAC-SHA-256. Different values stay different, so that masked keys and unique columns stay unique.
 * @param leftSize up to about 2^190, likewise `rightSize`: a round's 256 bits have to be many more
 */
export function permutePair({ left, right }: Pair, leftSize: bigint, rightSize: bigint, key: MaskKey, tweak: string): Pair {
  const shared = `${tweak}/${leftSize}/${rightSize}`;
  for (let round = 0; round < ROUNDS; round += 2) {
    left = (left + draw(key, `${shared}/${round}`, right)) % leftSize;
    right = (right + draw(key, `${shared}/${round + 1}`, left)) % rightSize;
  }
  return { left, right };
}

function draw(key: MaskKey, purpose: string, half: bigint): bigint {
  return BigInt(`0x${key.digest(purpose, half.toString(36)).toString("hex")}`);
}
