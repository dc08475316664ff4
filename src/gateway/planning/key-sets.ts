import type { KeySet } from "./statement-plan.js";

/** Sets that say the same are one. */
export function distinctSets(sets: readonly KeySet[]): readonly KeySet[] {
  return sets.filter((set, index) => sets.findIndex((other) => sameSet(set, other)) === index);
}

export function sameSet(left: KeySet | undefined, right: KeySet | undefined): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  return left.shardOf === right.shardOf && left.stored === right.stored && left.maxLength === right.maxLength && JSON.stringify(left.values) === JSON.stringify(right.values);
}
