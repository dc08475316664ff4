import type { Lsn } from "./lsn.js";

/** Milliseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01. */
const POSTGRES_EPOCH = 946_684_800_000;

/**
 * The Standby status update message (manual, "Streaming Replication Protocol"). Positions are exclusive already, so
 * nothing is added to them: one byte more could cover the commit record that begins right there.
 */
export function standbyStatusUpdate(positions: { readonly received: Lsn; readonly flushed: Lsn; readonly applied: Lsn }): Buffer {
  const message = Buffer.alloc(34);
  message[0] = 0x72; // r
  message.writeBigUInt64BE(positions.received, 1);
  message.writeBigUInt64BE(positions.flushed, 9);
  message.writeBigUInt64BE(positions.applied, 17);
  message.writeBigInt64BE(BigInt(Date.now() - POSTGRES_EPOCH) * 1000n, 25);
  message[33] = 0;
  return message;
}
