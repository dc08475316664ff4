import type { Id, Transaction } from "./transaction.js";

/**
 * Each of these finds a random row and locks it by its sharding key, which is on one shard: locks taken on several at once
 * invite deadlocks that no server sees. So what follows in the transaction cannot fail on a foreign key
 * or a unique key that another writer has changed meanwhile; they throw `Missed` where the row has just gone.
 */

/** A user who stays while the transaction refers to it. */
export async function someUser(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM users WHERE id = $1 FOR KEY SHARE", [await findUser(tx)])).id;
}

/** A user to whom no other transaction can meanwhile add rows. */
export async function lockedUser(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM users WHERE id = $1 FOR UPDATE", [await findUser(tx)])).id;
}

async function findUser(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM users WHERE id >= $1 ORDER BY id LIMIT 1", [tx.idIn("users")])).id;
}

export async function lockedOrder(tx: Transaction): Promise<{ id: Id; user_id: Id }> {
  const { id, user_id: user } = await tx.one<{ id: Id; user_id: Id }>("SELECT id, user_id FROM orders WHERE id >= $1 ORDER BY id LIMIT 1", [tx.idIn("orders")]);
  return await tx.one("SELECT id, user_id FROM orders WHERE id = $1 AND user_id = $2 FOR UPDATE", [id, user]);
}

export async function lockedDocument(tx: Transaction): Promise<Id> {
  const { id, user_id: user } = await tx.one<{ id: Id; user_id: Id }>("SELECT id, user_id FROM documents WHERE id >= $1 ORDER BY id LIMIT 1", [tx.idIn("documents")]);
  return (await tx.one<{ id: Id }>("SELECT id FROM documents WHERE id = $1 AND user_id = $2 FOR UPDATE", [id, user])).id;
}

export async function lockedDevice(tx: Transaction): Promise<Id> {
  const { id } = await tx.one<{ id: Id }>("SELECT id FROM devices WHERE id >= $1 ORDER BY id LIMIT 1", [tx.uuid()]);
  return (await tx.one<{ id: Id }>("SELECT id FROM devices WHERE id = $1 FOR UPDATE", [id])).id;
}

export async function lockedSession(tx: Transaction): Promise<Id> {
  const { id, device_id: device } = await tx.one<{ id: Id; device_id: Id }>("SELECT id, device_id FROM sessions WHERE id >= $1 ORDER BY id LIMIT 1", [tx.uuid()]);
  return (await tx.one<{ id: Id }>("SELECT id FROM sessions WHERE id = $1 AND device_id = $2 FOR UPDATE", [id, device])).id;
}

export async function lockedTenant(tx: Transaction): Promise<string> {
  const { slug } = await tx.one<{ slug: string }>("SELECT slug FROM crm.tenants WHERE slug >= $1 ORDER BY slug LIMIT 1", [`tenant-${tx.uuid()}`]);
  return (await tx.one<{ slug: string }>("SELECT slug FROM crm.tenants WHERE slug = $1 FOR UPDATE", [slug])).slug;
}

/** One to four different products; they are never deleted. */
export async function someProducts(tx: Transaction): Promise<{ id: Id; price: string }[]> {
  const first = tx.idIn("products");
  const { rows } = await tx.query<{ id: Id; price: string }>("SELECT id, price FROM products WHERE id >= $1 ORDER BY id LIMIT $2", [first, tx.random.integer(1, 4)]);
  return rows;
}
