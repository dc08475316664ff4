import { randomUUID } from "node:crypto";
import { lockedTenant } from "./pick-rows.js";
import type { Transaction } from "./transaction.js";

export async function registerTenant(tx: Transaction): Promise<void> {
  const { slug } = await tx.one<{ slug: string }>(
    "INSERT INTO crm.tenants (slug, name, limits) VALUES ($2, 'Größe & Co', $1) RETURNING slug",
    [JSON.stringify({ seats: tx.random.integer(1, 500) }), `tenant-${randomUUID()}`],
  );
  await appendEvents(tx, slug, 1);
}

/** Several rows in one statement. */
export async function recordTenantEvents(tx: Transaction): Promise<void> {
  const slug = await lockedTenant(tx);
  await appendEvents(tx, slug, 5);
  await tx.query("UPDATE crm.tenants SET limits = NULL WHERE slug = $1", [slug]);
}

/** The sharding key, a text that is the primary key; the events, where it is part of the key, follow. */
export async function renameTenant(tx: Transaction): Promise<void> {
  await tx.change("UPDATE crm.tenants SET slug = 'tenant-' || gen_random_uuid() WHERE slug = $1", [await lockedTenant(tx)]);
}

export async function deleteTenant(tx: Transaction): Promise<void> {
  await tx.change("DELETE FROM crm.tenants WHERE slug = $1", [await lockedTenant(tx)]);
}

async function appendEvents(tx: Transaction, slug: string, count: number): Promise<void> {
  await tx.query(
    `INSERT INTO crm.tenant_events (tenant, number, kind, amount)
      SELECT $1, (SELECT coalesce(max(number), 0) FROM crm.tenant_events WHERE tenant = $1) + i, 'invoiced', i * 0.0001
      FROM generate_series(1, $2::integer) i`,
    [slug, count],
  );
}
