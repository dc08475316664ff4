import type { KeySet } from "./statement-plan.js";

/** Why something is not answered, and what to change. */
export interface Obstacle {
  readonly reason: string;
  readonly remedy: string;
}

/**
 * How rows (of a table, a subquery, a whole statement), computed on each shard by itself, relate to the rows that one
 * database with all the rows would compute.
 */
export type Distribution =
  /** Each shard has all of them, the same. */
  | { readonly kind: "same" }
  /** Each shard gives a right answer, but not each the same one (LIMIT without a full order, random()); `first`: it has to be shard 0's. */
  | { readonly kind: "each"; readonly first: boolean }
  /** Of a subquery: right on the shard that has the row of the outer query for which it is computed; of which levels of the statement that is one. */
  | { readonly kind: "follows"; readonly levels: ReadonlySet<object> }
  /** The shards' rows together are all of them. `pin`: keys whose shards have all of them. */
  | { readonly kind: "split"; readonly pin: KeySet | undefined }
  /** Right only on a shard that has all rows that are read: where all the pins meet; nowhere without pins. */
  | { readonly kind: "whole"; readonly pins: readonly KeySet[] | undefined; readonly obstacle: Obstacle };

export const SAME: Distribution = { kind: "same" };

/** What is right only where all rows are on one shard, made of something else. */
export function wholeOf(distribution: Distribution, obstacle: Obstacle): Distribution {
  switch (distribution.kind) {
    case "whole":
      return distribution;
    case "split":
      return { kind: "whole", pins: distribution.pin === undefined ? undefined : [distribution.pin], obstacle };
    default:
      return distribution;
  }
}

/** What is in no certain order, and cut: each shard may keep other rows. */
export function cutOf(distribution: Distribution): Distribution {
  return distribution.kind === "same" ? { kind: "each", first: false } : distribution;
}

/** What one level of a statement reads. */
export interface Ingredients {
  /** The level itself: what follows its rows is right wherever they are. */
  readonly level: object;
  /** The pins of the split parts; parts that are tied to each other by their sharding keys are one. */
  readonly groups: readonly (KeySet | undefined)[];
  /** All other parts. */
  readonly parts: readonly Distribution[];
  readonly obstacles: readonly Obstacle[];
}

/** The distribution of what is computed from all of these at once. */
export function combined({ level, groups: tied, parts, obstacles }: Ingredients): Distribution {
  const groups = [...tied, ...parts.flatMap((part) => (part.kind === "split" ? [part.pin] : []))];
  const wholes = parts.filter((part) => part.kind === "whole");
  const each = parts.filter((part) => part.kind === "each");
  const obstacle = obstacles[0] ?? wholes.find(({ pins }) => pins === undefined)?.obstacle ?? wholes[0]?.obstacle;
  if (obstacle !== undefined || groups.length > 1 || (groups.length === 1 && each.length > 0)) {
    const pins = [...groups.map((pin) => (pin === undefined ? undefined : [pin])), ...wholes.map((whole) => whole.pins)];
    const found = pins.includes(undefined) ? undefined : pins.flatMap((sets) => sets!);
    return { kind: "whole", pins: found, obstacle: obstacle ?? (groups.length > 1 ? UNTIED : UNSTEADY) };
  }
  if (groups.length === 1) return { kind: "split", pin: groups[0] };
  if (each.length > 0) return { kind: "each", first: each.some(({ first }) => first) };
  const levels = parts.flatMap((part) => (part.kind === "follows" ? [...part.levels] : [])).filter((outer) => outer !== level);
  return levels.length > 0 ? { kind: "follows", levels: new Set(levels) } : SAME;
}

const UNTIED: Obstacle = {
  reason: "It brings rows of sharded tables together by something other than their sharding keys: they may be on different shards.",
  remedy: "Join them on their sharding keys as well (… AND a.key = b.key), or restrict each of them to one and the same key.",
};

const UNSTEADY: Obstacle = {
  reason: "Rows of a sharded table are combined with values that can differ from shard to shard (a LIMIT without a full order, a catalog, a sequence).",
  remedy: "Ask for those values in a statement of its own first, or restrict the sharded table to one sharding key.",
};
