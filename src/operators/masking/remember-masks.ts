import type { Value } from "../../postgres/value-codec.js";
import type { Mask } from "./mask-methods.js";

/** Values that are remembered at most; a few megabytes. */
const MOST_REMEMBERED = 10_000;

/** The same masks, worked out once for values that come again soon: foreign keys, countries, NULL-like dashes. */
export function rememberMasks(mask: Mask): Mask {
  const known = new Map<Exclude<Value, null>, Exclude<Value, null>>();
  return (value) => {
    if (Buffer.isBuffer(value)) return mask(value);
    let masked = known.get(value);
    if (masked === undefined) {
      masked = mask(value);
      if (known.size >= MOST_REMEMBERED) known.clear();
      known.set(value, masked);
    }
    return masked;
  };
}
