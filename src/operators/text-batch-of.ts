import type { Batch } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";
import type { TextBatch } from "../text-batch.js";

/** What is written in a batch's place. */
export function textBatchOf({ sequence, resume }: Batch<Lsn>, text: string): TextBatch {
  const bytes = Buffer.from(text, "utf8");
  return { sequence, bytes: bytes.length, ...(resume === undefined ? {} : { resume }), text: bytes };
}
