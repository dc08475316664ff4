import type { Sequence } from "../../src/postgres/sequences.js";
import { lastNumber, nextNumber, type SequenceMove } from "../../src/schema/sequence-move.js";

/* PostgreSQL's sequences in small: what moves and draws do to one. */

export function sequence(parts: Partial<Sequence>): Sequence {
  return {
    schema: "public", name: "s", type: "bigint", start: 1n, minimum: 1n, maximum: 2n ** 63n - 1n, increment: 1n, cache: 1n, cycle: false, unlogged: false,
    lastValue: 1n, called: false, grants: [], comment: undefined, ...parts,
  };
}

/** The sequence after its statement has run. */
export function appliedMove(before: Sequence, move: SequenceMove): Sequence {
  const { increment, start, minimum, maximum, cycle, first, stride } = move;
  const after = { ...before, increment, start, minimum, maximum, cycle };
  if (first === undefined) return { ...after, lastValue: lastNumber(move), called: true };
  const sign = increment > 0n ? 1n : -1n;
  let place = first;
  const behind = (nextNumber(before) - first) * sign;
  if (behind > 0n) place += sign * ((behind + stride - 1n) / stride) * stride;
  return { ...after, lastValue: place, called: false };
}

/** Up to `count` numbers; fewer where it ends. `beforeCycle`: those before it goes round. */
export function drawNumbers(from: Sequence, count: number): { readonly values: readonly bigint[]; readonly beforeCycle: readonly bigint[]; readonly sequence: Sequence } {
  const values: bigint[] = [];
  let round: number | undefined;
  let now = from;
  while (values.length < count) {
    let next = nextNumber(now);
    if (next > now.maximum || next < now.minimum) {
      if (!now.cycle) break;
      round ??= values.length;
      next = now.increment > 0n ? now.minimum : now.maximum;
    }
    values.push(next);
    now = { ...now, lastValue: next, called: true };
  }
  return { values, beforeCycle: values.slice(0, round), sequence: now };
}
