import type pg from "pg";
import { ReshardError } from "../errors.js";
import { type Lsn, parseLsn } from "../postgres/lsn.js";

/** A replication slot as pg_replication_slots shows it. */
export interface SlotState {
  readonly name: string;
  readonly confirmed: Lsn | undefined;
  readonly active: boolean;
  /** `pg_replication_slots.wal_status`: `lost` means that the server threw away what the slot still needed. */
  readonly walStatus: string | undefined;
  /** Bytes of WAL that the server keeps for it. */
  readonly retainedBytes: number;
}

export async function readSlot(client: pg.Client, name: string): Promise<SlotState | undefined> {
  const { rows } = await client.query<{ confirmed: string | null; active: boolean; wal_status: string | null; retained: number | null }>(
    `SELECT confirmed_flush_lsn AS confirmed, active, wal_status, (pg_current_wal_lsn() - restart_lsn)::float8 AS retained
       FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return {
    name,
    confirmed: row.confirmed === null ? undefined : parseLsn(row.confirmed),
    active: row.active,
    walStatus: row.wal_status ?? undefined,
    retainedBytes: row.retained ?? 0,
  };
}

/** Checks that nobody has the slot that is to be made, and that there is room for it and for a table's. */
export async function checkSlotRoom(monitor: pg.Client, server: string, slot: string, freeSlots: number): Promise<void> {
  if ((await readSlot(monitor, slot)) !== undefined) {
    throw new ReshardError("SLOT_EXISTS", `${server} has a slot ${slot} already, of a migration whose journal is gone or of somebody else.`, {
      place: { server },
      remedy: `If nobody needs it, run on the source: SELECT pg_drop_replication_slot('${slot}'); or name another with --replication-slot.`,
    });
  }
  if (freeSlots < 2) {
    throw new ReshardError("NO_FREE_SLOT", `${server} has ${freeSlots} replication slots or senders left; at least 2 are needed, one to stream and one for each table copied at a time.`, {
      place: { server },
      remedy: "Raise max_replication_slots and max_wal_senders on the source (a restart), or drop slots that nobody needs.",
    });
  }
}
