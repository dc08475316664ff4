import { fixedShardOf } from "./analyse-relation.js";
import type { Distribution, Obstacle } from "./distribution.js";
import { distinctSets, sameSet } from "./key-sets.js";
import type { StatementFacts } from "./query-analysis.js";
import type { KeySet, RefusedPlan, Where } from "./statement-plan.js";

export function refused({ reason, remedy }: Obstacle): RefusedPlan {
  return { kind: "refused", reason, remedy };
}

/** By the keys to which a statement is restricted; tables that a rule keeps on one shard have no key but that shard. */
export function wherePins(pins: readonly KeySet[]): Where | Obstacle {
  const shards = new Set(pins.flatMap((pin) => fixedShardOf(pin) ?? []));
  if (shards.size > 1) {
    return { reason: `It reads or changes tables that are on different shards: ${[...shards].join(", ")}.`, remedy: "Ask for each in a statement of its own." };
  }
  const keys = pins.filter((pin) => fixedShardOf(pin) === undefined);
  const [shard] = shards;
  if (keys.length === 0 && shard !== undefined) return { kind: "fixed", shard };
  return { kind: "keys", sets: distinctSets(pins) };
}

/** The rows of a statement together with the changes in its WITH, which happen whether they are read or not. */
export function withChanges(rows: Distribution, facts: StatementFacts): Distribution {
  const changes = facts.changes.filter((change) => change.kind !== "same" || facts.everywhere.length > 0);
  if (changes.length === 0) return rows;
  const all = [rows, ...changes];
  if (all.every(({ kind }) => kind === "same")) return rows;
  if (facts.everywhere.length > 0) return { kind: "whole", pins: undefined, obstacle: BOTH };
  const split = all.filter((part) => part.kind === "split");
  if (split.length === all.length) {
    const [first] = split;
    return { kind: "split", pin: split.every(({ pin }) => sameSet(pin, first!.pin)) ? first!.pin : undefined };
  }
  const whole = all.filter((part) => part.kind === "whole");
  if (split.length === 0 && whole.length === 0) return { kind: "each", first: all.some((part) => part.kind === "each" && part.first) };
  const pins = [...split.map(({ pin }) => (pin === undefined ? undefined : [pin])), ...whole.map((part) => part.pins)];
  return { kind: "whole", pins: pins.includes(undefined) ? undefined : pins.flatMap((sets) => sets!), obstacle: whole[0]?.obstacle ?? APART };
}

const BOTH: Obstacle = {
  reason: "It changes an omnisharded table, which is done on every shard, and reads or changes rows of a sharded table as well.",
  remedy: "Make it two statements, in one transaction.",
};

const APART: Obstacle = {
  reason: "Its WITH changes rows of a sharded table on several shards, while the statement itself is for one.",
  remedy: "Restrict the change to one sharding key, or make it a statement of its own.",
};
