import { isDeepStrictEqual } from "node:util";
import type { CopyDataFrames } from "../postgres/copy-data-reader.js";
import { decodePgoutputMessage, type PgoutputRelation } from "../postgres/pgoutput-message.js";
import { XLOG_DATA, XLOG_DATA_HEADER_BYTES } from "./change-batch-builder.js";

const RELATION = 0x52; // R

/**
 * How many of the payloads come before a Relation message that defines a table anew, so that a batch shows each table under
 * one definition. The first payload may be such a message itself.
 *
 * @param known the definitions that came before these payloads
 */
export function framesOfOneSchema(frames: CopyDataFrames, known: ReadonlyMap<number, PgoutputRelation>): number {
  const { buffer, starts, ends } = frames;
  let seen: Map<number, PgoutputRelation> | undefined;
  for (let frame = 0; frame < frames.count; frame++) {
    const at = starts[frame]! + XLOG_DATA_HEADER_BYTES;
    if (buffer[at] !== RELATION || buffer[starts[frame]!] !== XLOG_DATA) continue;
    const relation = decodePgoutputMessage(buffer, at, ends[frame]!);
    if (relation.kind !== "relation") continue;
    const former = seen?.get(relation.oid) ?? known.get(relation.oid);
    if (frame > 0 && former !== undefined && !isDeepStrictEqual(former, relation)) return frame;
    (seen ??= new Map()).set(relation.oid, relation);
  }
  return frames.count;
}
