import type { Count } from "../planning/statement-plan.js";
import { failure } from "./failure.js";
import type { GatheredRows } from "./shard-rows.js";

/** Which of the gathered rows are the client's. */
export interface RowRange {
  readonly offset: bigint;
  /** Undefined: all. */
  readonly limit: bigint | undefined;
}

/** A parameter's value, as it was bound; null is NULL. */
export interface BoundValue {
  readonly bytes: Buffer | null;
  /** 0 text, 1 binary. */
  readonly format: number;
}

/**
 * The range that LIMIT and OFFSET name.
 * @param parameter the value of `$number`
 * @throws WireError 2201W or 2201X for a negative number, as the server has it
 */
export function rowRange(limit: Count | undefined, offset: Count | undefined, parameter: (number: number) => BoundValue): RowRange {
  const most = countOf(limit, parameter);
  const skipped = countOf(offset, parameter) ?? 0n;
  if (most !== undefined && most < 0n) throw failure("2201W", "LIMIT must not be negative");
  if (skipped < 0n) throw failure("2201X", "OFFSET must not be negative");
  return { limit: most, offset: skipped };
}

/** The rows of a range; asks for none behind it. */
export async function* rowsInRange(rows: GatheredRows, { offset, limit }: RowRange): GatheredRows {
  let position = 0n;
  const end = limit === undefined ? undefined : offset + limit;
  try {
    while (end === undefined || position < end) {
      const { value, done } = await rows.next();
      if (done === true) return;
      if (position >= offset) yield value;
      position++;
    }
  } finally {
    await rows.return();
  }
}

function countOf(count: Count | undefined, parameter: (number: number) => BoundValue): bigint | undefined {
  if (count === undefined) return undefined;
  if (count.kind === "constant") return BigInt(count.value);
  const { bytes, format } = parameter(count.number);
  if (bytes === null) return undefined;
  if (format === 0) {
    const text = bytes.toString("latin1").trim();
    if (!/^[+-]?\d+$/.test(text)) throw failure("22P02", `invalid input syntax for type bigint: ${JSON.stringify(text)}`);
    return BigInt(text);
  }
  switch (bytes.length) {
    case 8:
      return bytes.readBigInt64BE(0);
    case 4:
      return BigInt(bytes.readInt32BE(0));
    case 2:
      return BigInt(bytes.readInt16BE(0));
    default:
      throw failure("22P03", "incorrect binary data format in bind parameter");
  }
}
