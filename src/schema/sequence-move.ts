import type { Sequence } from "../postgres/sequences.js";

/** How a shard's numbers relate to the other shards'. */
export type Numbers =
  /** The same on every shard, which then draw in step. */
  | { readonly kind: "same" }
  /** Every `shards`-th step of the source's increment, beginning with the `shard`-th. */
  | { readonly kind: "interleaved"; readonly shards: number; readonly shard: number };

/** A sequence as the source has it, over all its shards. */
export interface SourceSequence {
  /** Step of one draw, with its sign; where the source's shards are interleaved, the step within all of them. */
  readonly increment: bigint;
  readonly start: bigint;
  /** The bounds of the first source shard's. */
  readonly minimum: bigint;
  readonly maximum: bigint;
  readonly cycle: boolean;
  /** The furthest number, in the increment's direction, that a source shard would hand out next. */
  readonly next: bigint;
}

/** What a shard's sequence should be. */
export interface SequenceMove {
  readonly increment: bigint;
  readonly start: bigint;
  readonly minimum: bigint;
  readonly maximum: bigint;
  readonly cycle: boolean;
  /** Distance of the numbers that may come next, without sign; 1: any may. */
  readonly stride: bigint;
  /** The first number that may come next, or any further one at `stride`; undefined: there is none left. */
  readonly first: bigint | undefined;
  /** The margin would have gone beyond the bound, and was left out. */
  readonly withoutMargin: boolean;
}

/**
 * The sequence over the source's shards, each `shardSequences` of a shard that has it, in order.
 * @param sourceShards how many shards the source has
 */
export function sourceSequence(shardSequences: readonly Sequence[], sourceShards: number): SourceSequence {
  const [first] = shardSequences as readonly [Sequence, ...Sequence[]];
  const nexts = shardSequences.map(nextNumber);
  return {
    increment: commonIncrement(shardSequences, sourceShards),
    start: first.start,
    minimum: first.minimum,
    maximum: first.maximum,
    cycle: first.cycle,
    next: nexts.reduce((a, b) => ((first.increment > 0n ? b > a : b < a) ? b : a)),
  };
}

/**
 * The step that the shards of an interleaved source share, as their starts prove; else the first one's own. Without it
 * the increment would grow with every resharding.
 */
function commonIncrement(sequences: readonly Sequence[], shards: number): bigint {
  const { increment, start } = sequences[0]!;
  if (shards === 1 || sequences.length < shards || increment % BigInt(shards) !== 0n) return increment;
  const step = increment / BigInt(shards);
  return sequences.every((sequence, shard) => sequence.increment === increment && sequence.start === start + BigInt(shard) * step) ? step : increment;
}

/** What would be drawn next, were there no bounds. */
export function nextNumber(sequence: Pick<Sequence, "lastValue" | "called" | "increment">): bigint {
  return sequence.called ? sequence.lastValue + sequence.increment : sequence.lastValue;
}

/**
 * What a sequence of a shard becomes: past all that the source has handed out, by `margin` steps, and never behind
 * where it is. Sequences keep their START in line with their numbers, so that TRUNCATE … RESTART IDENTITY does not
 * make shards collide, and those that CYCLE their bound, where they begin anew.
 *
 * @param others the same sequence on all shards, this one too: those that draw in step are brought to one number, and
 *   interleaved ones go past what was handed out on any shard before
 */
export function moveSequence(sequence: Sequence, source: SourceSequence, numbers: Numbers, margin: bigint, others: readonly Sequence[]): SequenceMove {
  // All comparisons in the direction of the increment: up(x) grows as the sequence goes on.
  const sign = source.increment > 0n ? 1n : -1n;
  const up = (value: bigint): bigint => sign * value;
  const step = up(source.increment);
  const bound = up(sign > 0n ? sequence.maximum : sequence.minimum);
  const base = up(sign > 0n ? source.minimum : source.maximum);
  const stride = numbers.kind === "same" ? 1n : step * BigInt(numbers.shards);
  const anchor = numbers.kind === "same" ? up(source.start) : up(source.start) + BigInt(numbers.shard) * step;
  const firstFrom = (value: bigint): bigint => anchor + ceilingDivision(value - anchor, stride) * stride;

  const lowest = firstFrom(base);
  const barren = lowest > bound;
  const start = anchor <= bound ? anchor : barren ? up(source.start) : lowest;
  const own = up(nextNumber(sequence));
  // Shards that are not interleaved yet may have handed out anybody's numbers.
  const passed = others.filter((other) => numbers.kind === "same" || other.increment !== sign * stride).map((other) => up(nextNumber(other)));
  const past = up(source.next);
  let first = firstFrom(past + margin * step);
  const withoutMargin = first > bound;
  if (withoutMargin) first = firstFrom(past);
  for (const other of passed) if (other > first) first = firstFrom(other);
  const none = firstFrom(own > first ? own : first) > bound;
  const begins = numbers.kind === "interleaved" && source.cycle && !barren ? lowest : base;
  return {
    increment: sign * (numbers.kind === "same" ? step : stride),
    start: up(start),
    minimum: sign > 0n ? begins : sequence.minimum,
    maximum: sign > 0n ? sequence.maximum : up(begins),
    cycle: source.cycle && !(numbers.kind === "interleaved" && barren),
    stride,
    first: none ? undefined : up(first),
    withoutMargin: withoutMargin || none,
  };
}

/** Whether a sequence is as it should be already. */
export function isMoved(sequence: Sequence, move: SequenceMove): boolean {
  const defined = (["increment", "start", "minimum", "maximum", "cycle"] as const).every((key) => sequence[key] === move[key]);
  if (!defined) return false;
  if (move.first === undefined) return sequence.called && sequence.lastValue === lastNumber(move);
  const ahead = (nextNumber(sequence) - move.first) * (move.increment > 0n ? 1n : -1n);
  return ahead >= 0n && ahead % move.stride === 0n;
}

/** The bound at which a sequence ends. */
export function lastNumber(move: SequenceMove): bigint {
  return move.increment > 0n ? move.maximum : move.minimum;
}

/** `dividend / divisor`, rounded up; the divisor is positive. */
function ceilingDivision(dividend: bigint, divisor: bigint): bigint {
  return dividend > 0n ? (dividend + divisor - 1n) / divisor : dividend / divisor;
}
