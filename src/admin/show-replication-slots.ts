import { formatBytes } from "../pipelines/quantities.js";
import { column, type Table, tableOf } from "./answer.js";
import type { SlotRow } from "./replication-slots.js";

/**
 * SHOW REPLICATION_SLOTS.
 *
 * @param now milliseconds since 1970
 */
export function showReplicationSlots(slots: readonly SlotRow[], now: number): Table {
  const sinceLast = ({ stream }: SlotRow): number | undefined => (stream?.lastChangesAt === undefined ? undefined : Math.max(0, now - stream.lastChangesAt));
  // PgDog's columns, then what it does not tell.
  return tableOf([
    column<SlotRow>("host", "text", ({ address }) => address.host),
    column<SlotRow>("port", "int8", ({ address }) => address.port),
    column<SlotRow>("database_name", "text", ({ address }) => address.database),
    column<SlotRow>("name", "text", ({ name }) => name),
    column<SlotRow>("lsn", "text", ({ lsn }) => lsn ?? undefined),
    column<SlotRow>("lag", "text", ({ lagBytes }) => (lagBytes === null ? undefined : formatBytes(lagBytes))),
    column<SlotRow>("lag_bytes", "int8", ({ lagBytes }) => lagBytes ?? undefined),
    column<SlotRow>("copy_data", "bool", ({ temporary }) => temporary),
    column<SlotRow>("last_transaction", "timestamptz", ({ stream }) => (stream?.lastChangesAt === undefined ? undefined : new Date(stream.lastChangesAt))),
    column<SlotRow>("last_transaction_ms", "int8", sinceLast),
    column<SlotRow>("task_id", "int8", ({ task }) => task),
    column<SlotRow>("database", "text", ({ database }) => database),
    column<SlotRow>("source_shard", "int8", ({ sourceShard }) => sourceShard),
    column<SlotRow>("active", "bool", ({ active }) => active),
    column<SlotRow>("wal_status", "text", ({ walStatus }) => walStatus ?? undefined),
    column<SlotRow>("retained_bytes", "int8", ({ retainedBytes }) => retainedBytes ?? undefined),
    column<SlotRow>("changes", "int8", ({ stream }) => stream?.changes),
  ], slots);
}
