import { isDeepStrictEqual } from "node:util";
import { type ChangeBatch, DELETE, INSERT, NO_TUPLE, type SourceTransaction, TRUNCATE, UPDATE } from "../change-batch.js";
import { defect } from "../errors.js";
import type { CopyDataFrames } from "../postgres/copy-data-reader.js";
import { type Lsn, maxLsn } from "../postgres/lsn.js";
import { decodePgoutputMessage, type PgoutputRelation, type PgoutputTruncate, skipTuple } from "../postgres/pgoutput-message.js";

/** Replication stream messages inside CopyData (manual, "Streaming Replication Protocol"). */
export const XLOG_DATA = 0x77; // w
export const PRIMARY_KEEPALIVE = 0x6b; // k
/** Byte 'w', then the message's start, the server's end of WAL and its clock, eight bytes each. */
export const XLOG_DATA_HEADER_BYTES = 25;

export const COMMIT = 0x43; // C

/** What the stream knows between two batches. */
export interface StreamState {
  readonly relations: Map<number, PgoutputRelation>;
  /** The transaction that the last batch ended within. */
  transaction: SourceTransaction | undefined;
  /** Everything that committed before it has come. */
  position: Lsn;
}

/**
 * Finds the changes in a run of CopyData payloads. Updates `state`; allocates a few arrays for the batch and nothing
 * for a row. `resume` is set where the run ends outside a transaction: the end of its last commit, or of a keepalive. It
 * never goes back, though a keepalive sent while the commit waited for the socket names a position before that commit.
 */
export function changeBatchOf(frames: CopyDataFrames, state: StreamState, sequence: number): ChangeBatch {
  const { buffer, count: messages } = frames;
  const room = messages + truncatedTables(frames);
  const kinds = new Uint8Array(room);
  const relationOf = new Uint32Array(room);
  const transactionOf = new Uint32Array(room);
  const oldTuples = new Uint32Array(room);
  const oldTupleIsRow = new Uint8Array(room);
  const newTuples = new Uint32Array(room);
  const relations: PgoutputRelation[] = [];
  const indexOf = new Map<number, number>();
  const transactions: SourceTransaction[] = [];
  const truncates = new Map<number, PgoutputTruncate>();
  if (state.transaction !== undefined) transactions.push(state.transaction);

  let count = 0;
  let positioned = false;
  // Neighbouring changes are mostly of one table: the map is asked only when the table changes.
  let lastOid = -1;
  let lastIndex = -1;
  const relationIndex = (oid: number): number => {
    if (oid === lastOid) return lastIndex;
    let index = indexOf.get(oid);
    if (index === undefined) {
      const relation = state.relations.get(oid);
      if (relation === undefined) throw defect(`a change of relation ${oid} came before its Relation message`);
      index = relations.push(relation) - 1;
      indexOf.set(oid, index);
    }
    lastOid = oid;
    lastIndex = index;
    return index;
  };

  for (let message = 0; message < messages; message++) {
    const start = frames.starts[message]!;
    const end = frames.ends[message]!;
    const envelope = buffer[start]!;
    if (envelope === PRIMARY_KEEPALIVE) {
      if (state.transaction === undefined) {
        state.position = maxLsn(state.position, buffer.readBigUInt64BE(start + 1));
        positioned = true;
      }
      continue;
    }
    if (envelope !== XLOG_DATA) throw defect(`unknown replication message 0x${envelope.toString(16)}`);
    const at = start + XLOG_DATA_HEADER_BYTES;
    const kind = buffer[at]!;
    switch (kind) {
      case INSERT:
        newTuples[count] = at + 6; // kind, Int32 relation, 'N'
        break;
      case UPDATE: {
        const marker = buffer[at + 5]!;
        if (marker === 0x4e) newTuples[count] = at + 6; // N
        else {
          oldTuples[count] = at + 6; // K or O
          oldTupleIsRow[count] = marker === 0x4f ? 1 : 0;
          newTuples[count] = skipTuple(buffer, at + 6) + 1;
        }
        break;
      }
      case DELETE:
        oldTuples[count] = at + 6;
        oldTupleIsRow[count] = buffer[at + 5] === 0x4f ? 1 : 0;
        newTuples[count] = NO_TUPLE;
        break;
      default: {
        const decoded = decodePgoutputMessage(buffer, at, end);
        switch (decoded.kind) {
          case "begin":
            state.transaction = { commitLsn: decoded.finalLsn, xid: decoded.xid };
            transactions.push(state.transaction);
            break;
          case "commit":
            state.transaction = undefined;
            state.position = maxLsn(state.position, decoded.endLsn);
            positioned = true;
            break;
          case "relation":
            // Sent again where the server's caches were emptied.
            if (isDeepStrictEqual(state.relations.get(decoded.oid), decoded)) break;
            state.relations.set(decoded.oid, decoded);
            // A Relation message in the middle of a batch describes only what comes after it.
            indexOf.delete(decoded.oid);
            lastOid = -1;
            break;
          case "truncate":
            // One change a table: each is skipped or kept by its own snapshot.
            for (const oid of decoded.relations) {
              kinds[count] = TRUNCATE;
              relationOf[count] = relationIndex(oid);
              transactionOf[count] = transactions.length - 1;
              truncates.set(count, decoded);
              count++;
            }
            break;
          case "type":
          case "origin":
          case "message":
            break;
          default:
            throw defect(`the server sent a ${decoded.kind} message, which this stream did not ask for`);
        }
        continue;
      }
    }
    kinds[count] = kind;
    relationOf[count] = relationIndex(buffer.readUInt32BE(at + 1));
    transactionOf[count] = transactions.length - 1;
    count++;
  }
  return {
    sequence,
    bytes: buffer.length,
    ...(state.transaction === undefined && positioned ? { resume: state.position } : {}),
    buffer,
    count,
    kinds,
    relations,
    relationOf,
    transactions,
    transactionOf,
    oldTuples,
    oldTupleIsRow,
    newTuples,
    truncates,
  };
}

/** How many tables the TRUNCATEs among the payloads name: each is a change of its own. */
function truncatedTables(frames: CopyDataFrames): number {
  let tables = 0;
  for (let message = 0; message < frames.count; message++) {
    const at = frames.starts[message]! + XLOG_DATA_HEADER_BYTES;
    // Behind the kind byte stands the Int32 number of relations.
    if (frames.buffer[frames.starts[message]!] === XLOG_DATA && frames.buffer[at] === TRUNCATE) tables += frames.buffer.readInt32BE(at + 1);
  }
  return tables;
}

/** How many of the waiting payloads reach to the end of the last commit, or all where none is inside a transaction. */
export function upToLastCommit(frames: CopyDataFrames, insideTransaction: boolean): number {
  for (let message = frames.count - 1; message >= 0; message--) {
    const start = frames.starts[message]!;
    if (frames.buffer[start] !== XLOG_DATA) continue;
    if (frames.buffer[start + XLOG_DATA_HEADER_BYTES] === COMMIT) {
      // Keepalives right behind the commit belong to it.
      let count = message + 1;
      while (count < frames.count && frames.buffer[frames.starts[count]!] === PRIMARY_KEEPALIVE) count++;
      return count;
    }
    // Something of a transaction that has not committed yet: look further back for a commit.
  }
  if (insideTransaction) return 0;
  let count = 0;
  while (count < frames.count && frames.buffer[frames.starts[count]!] === PRIMARY_KEEPALIVE) count++;
  return count;
}
