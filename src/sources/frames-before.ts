import type { CopyDataFrames } from "../postgres/copy-data-reader.js";
import type { Lsn } from "../postgres/lsn.js";
import { PRIMARY_KEEPALIVE, XLOG_DATA, XLOG_DATA_HEADER_BYTES } from "./change-batch-builder.js";

const BEGIN = 0x42; // B

/**
 * How many of the payloads come before the first transaction that commits at or after `position`; `reached` once such
 * a transaction, or a keepalive at or after the position, has been seen.
 */
export function framesBefore(frames: CopyDataFrames, position: Lsn): { count: number; reached: boolean } {
  const { buffer, starts } = frames;
  let reached = false;
  for (let frame = 0; frame < frames.count; frame++) {
    const start = starts[frame]!;
    if (buffer[start] === PRIMARY_KEEPALIVE) {
      reached ||= buffer.readBigUInt64BE(start + 1) >= position;
    } else if (buffer[start] === XLOG_DATA && buffer[start + XLOG_DATA_HEADER_BYTES] === BEGIN) {
      // Begin: the kind byte, then the commit's LSN.
      if (buffer.readBigUInt64BE(start + XLOG_DATA_HEADER_BYTES + 1) >= position) return { count: frame, reached: true };
    }
  }
  return { count: frames.count, reached };
}
