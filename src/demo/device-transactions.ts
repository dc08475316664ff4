import { randomUUID } from "node:crypto";
import { lockedDevice, lockedSession } from "./pick-rows.js";
import type { Id, Transaction } from "./transaction.js";

export async function registerDevice(tx: Transaction): Promise<void> {
  const { id } = await tx.one<{ id: Id }>(
    "INSERT INTO devices (id, model, serial_number, limits, last_address) VALUES ($4, $1, $5, $2, $3) RETURNING id",
    ["Model ✓", tx.random.pick([[], [1, null, -3]]), tx.random.pick([null, "10.1.2.3", "2001:db8::/32"]), randomUUID(), `SN-${randomUUID()}`],
  );
  await openSessions(tx, id);
}

export async function openSession(tx: Transaction): Promise<void> {
  const device = await lockedDevice(tx);
  await openSessions(tx, device);
  await tx.query("UPDATE devices SET seen_at = now() WHERE id = $1", [device]);
}

export async function closeSession(tx: Transaction): Promise<void> {
  await tx.change("DELETE FROM sessions WHERE id = $1", [await lockedSession(tx)]);
}

/** The sharding key, a uuid, beside an unchanged primary key. */
export async function handOverSession(tx: Transaction): Promise<void> {
  const device = await lockedDevice(tx);
  await tx.change("UPDATE sessions SET device_id = $2, score = 'Infinity' WHERE id = $1", [await lockedSession(tx), device]);
}

/** The sharding key, a uuid that is the primary key; its sessions follow. */
export async function replaceDevice(tx: Transaction): Promise<void> {
  await tx.change("UPDATE devices SET id = gen_random_uuid() WHERE id = $1", [await lockedDevice(tx)]);
}

export async function deleteDevice(tx: Transaction): Promise<void> {
  await tx.change("DELETE FROM devices WHERE id = $1", [await lockedDevice(tx)]);
}

async function openSessions(tx: Transaction, device: Id): Promise<void> {
  await tx.query(
    `INSERT INTO sessions (device_id, token, length, score, day)
      SELECT $1, decode(md5($2::text || i), 'hex'), make_interval(months => i, secs => $2::integer), $2::float8 / 7, date '2026-01-01' + i
      FROM generate_series(1, 2) i`,
    [device, tx.random.integer(1, 100_000)],
  );
}
