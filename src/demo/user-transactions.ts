import { randomUUID } from "node:crypto";
import { lockedUser, someProducts, someUser } from "./pick-rows.js";
import type { Id, Transaction } from "./transaction.js";

export async function registerUser(tx: Transaction): Promise<void> {
  const { id } = await tx.one<{ id: Id }>(
    "INSERT INTO users (email, name, country, avatar) VALUES ($4, $1, $2, $3) RETURNING id",
    [tx.random.pick(["Zoë", "O'Brien", "李"]), tx.random.pick(["de", "us", "jp"]), tx.random.pick([null, Buffer.from([0, 92, 255])]), `user-${randomUUID()}@example.org`],
  );
  await tag(tx, id);
  await fillCart(tx, id);
}

export async function updateUser(tx: Transaction): Promise<void> {
  await tx.change("UPDATE users SET preferences = preferences || $2::jsonb, avatar = $3 WHERE id = $1", [
    await someUser(tx),
    JSON.stringify({ [tx.random.pick(["theme", "größe"])]: tx.random.integer(0, 9) }),
    tx.random.pick([null, Buffer.alloc(100, 7)]),
  ]);
}

/** The sharding key, which is the primary key; everything the user has follows, documents with their large bodies too. */
export async function renumberUser(tx: Transaction): Promise<void> {
  await tx.change("UPDATE users SET id = nextval('users_id_seq') WHERE id = $1", [await lockedUser(tx)]);
}

/** Takes everything the user has along. */
export async function deleteUser(tx: Transaction): Promise<void> {
  await tx.change("DELETE FROM users WHERE id = $1", [await lockedUser(tx)]);
}

export async function tagUser(tx: Transaction): Promise<void> {
  await tag(tx, await someUser(tx));
}

/** Changes a key of a table that has nothing but its key. */
export async function retagUser(tx: Transaction): Promise<void> {
  const user = await lockedTaggedUser(tx);
  await tx.change(
    `UPDATE user_tags SET tag_id = $2 WHERE user_id = $1 AND tag_id = (SELECT min(tag_id) FROM user_tags WHERE user_id = $1)
      AND NOT EXISTS (SELECT FROM user_tags WHERE user_id = $1 AND tag_id = $2)`,
    [user, await tagId(tx)],
  );
}

export async function untagUser(tx: Transaction): Promise<void> {
  await tx.change("DELETE FROM user_tags WHERE user_id = $1 AND tag_id = (SELECT max(tag_id) FROM user_tags WHERE user_id = $1)", [
    await lockedTaggedUser(tx),
  ]);
}

export async function addToCart(tx: Transaction): Promise<void> {
  await fillCart(tx, await someUser(tx));
}

/** The sharding key as a part of the primary key. */
export async function handOverCartItem(tx: Transaction): Promise<void> {
  const to = await lockedUser(tx);
  const item = await tx.one<{ user_id: Id; product_id: Id }>(
    "SELECT user_id, product_id FROM cart_items WHERE user_id >= $1 ORDER BY user_id, product_id LIMIT 1 FOR UPDATE",
    [tx.idIn("users")],
  );
  await tx.change(
    `UPDATE cart_items SET user_id = $3 WHERE user_id = $1 AND product_id = $2
      AND NOT EXISTS (SELECT FROM cart_items WHERE user_id = $3 AND product_id = $2)`,
    [item.user_id, item.product_id, to],
  );
}

async function tag(tx: Transaction, user: Id): Promise<void> {
  await tx.query("INSERT INTO user_tags SELECT $1, id FROM tags WHERE id >= $2 ORDER BY id LIMIT 3 ON CONFLICT DO NOTHING", [user, await tagId(tx)]);
}

async function tagId(tx: Transaction): Promise<Id> {
  return (await tx.one<{ id: Id }>("SELECT id FROM tags WHERE id >= $1 ORDER BY id LIMIT 1", [tx.idIn("tags")])).id;
}

async function fillCart(tx: Transaction, user: Id): Promise<void> {
  const products = await someProducts(tx);
  await tx.query(
    `INSERT INTO cart_items (user_id, product_id) SELECT $1, product FROM unnest($2::bigint[]) product
      ON CONFLICT (user_id, product_id) DO UPDATE SET quantity = cart_items.quantity + 1`,
    [user, products.map(({ id }) => id)],
  );
}

async function lockedTaggedUser(tx: Transaction): Promise<Id> {
  const { id } = await tx.one<{ id: Id }>(
    "SELECT id FROM users WHERE id = (SELECT user_id FROM user_tags WHERE user_id >= $1 ORDER BY user_id LIMIT 1) FOR UPDATE",
    [tx.idIn("users")],
  );
  return id;
}
