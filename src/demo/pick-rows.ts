import type { Id, Transaction } from "./transaction.js";

/**
 * Each of these finds a random row and locks it, so that what follows in the transaction cannot fail on a foreign key
 * or a unique key that another writer has changed meanwhile; they throw `Missed` where the row has just gone.
 */

/** A user who stays while the transaction refers to it. */
export async function someUser(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM users WHERE id >= $1 ORDER BY id LIMIT 1 FOR KEY SHARE", [tx.idIn("users")])).id;
}

/** A user to whom no other transaction can meanwhile add rows. */
export async function lockedUser(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM users WHERE id >= $1 ORDER BY id LIMIT 1 FOR UPDATE", [tx.idIn("users")])).id;
}

export async function lockedOrder(tx: Transaction): Promise<{ id: Id; user_id: Id }> {
  return await tx.one("SELECT id, user_id FROM orders WHERE id >= $1 ORDER BY id LIMIT 1 FOR UPDATE", [tx.idIn("orders")]);
}

export async function lockedDocument(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM documents WHERE id >= $1 ORDER BY id LIMIT 1 FOR UPDATE", [tx.idIn("documents")])).id;
}

export async function lockedDevice(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM devices WHERE id >= $1 ORDER BY id LIMIT 1 FOR UPDATE", [tx.uuid()])).id;
}

export async function lockedSession(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM sessions WHERE id >= $1 ORDER BY id LIMIT 1 FOR UPDATE", [tx.uuid()])).id;
}

export async function lockedTenant(tx: Transaction): Promise<string> {
  const { slug } = await tx.one<{ slug: string }>("SELECT slug FROM crm.tenants WHERE slug >= $1 ORDER BY slug LIMIT 1 FOR UPDATE", [
    `tenant-${tx.uuid()}`,
  ]);
  return slug;
}

/** One to four different products; they are never deleted. */
export async function someProducts(tx: Transaction): Promise<{ id: Id; price: string }[]> {
  const first = tx.idIn("products");
  const { rows } = await tx.query<{ id: Id; price: string }>("SELECT id, price FROM products WHERE id >= $1 ORDER BY id LIMIT $2", [first, tx.random.integer(1, 4)]);
  return rows;
}
