import type { KeyRule } from "./key-router.js";

/** A text that is equal for rules that send equal keys to the same shard. */
export function ruleId({ dataType, hasher, mapping }: KeyRule): string {
  // Integers of lists and ranges are bigints, which JSON does not know.
  return JSON.stringify([dataType, hasher, mapping], (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}
