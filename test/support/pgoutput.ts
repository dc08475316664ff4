import { type PgoutputMessage, skipTuple } from "../../src/postgres/pgoutput-message.js";
import type { Tuple, TupleColumn, WholeMessage } from "../../src/testing/encode-pgoutput.js";

export { encodePgoutputMessage, type Tuple, type TupleColumn, type WholeMessage } from "../../src/testing/encode-pgoutput.js";

/** The columns of the TupleData at `offset`, values copied. */
export function readTuple(buffer: Buffer, offset: number): Tuple {
  const end = skipTuple(buffer, offset);
  const columns: TupleColumn[] = [];
  let position = offset + 2;
  while (position < end) {
    const kind = String.fromCharCode(buffer.readUInt8(position));
    position += 1;
    if (kind === "n") columns.push({ kind: "null" });
    else if (kind === "u") columns.push({ kind: "unchanged" });
    else {
      const start = position + 4;
      position = start + buffer.readUInt32BE(position);
      columns.push({ kind: kind === "t" ? "text" : "binary", value: Buffer.from(buffer.subarray(start, position)) });
    }
  }
  if (columns.length !== buffer.readUInt16BE(offset)) throw new Error("the row has another number of columns than it says");
  return columns;
}

export function wholeMessage(message: PgoutputMessage, buffer: Buffer): WholeMessage {
  switch (message.kind) {
    case "insert":
      return { ...message, newTuple: readTuple(buffer, message.newTuple) };
    case "update":
      return { ...message, oldTuple: message.oldTuple < 0 ? null : readTuple(buffer, message.oldTuple), newTuple: readTuple(buffer, message.newTuple) };
    case "delete":
      return { ...message, oldTuple: readTuple(buffer, message.oldTuple) };
    case "message":
      return { ...message, content: Buffer.from(message.content) };
    default:
      return message;
  }
}
