import { lockedOrder, someProducts, someUser } from "./pick-rows.js";
import type { Id, Transaction } from "./transaction.js";

export async function placeOrder(tx: Transaction): Promise<void> {
  const user = await someUser(tx);
  const order = await newOrder(tx, user);
  await addItems(tx, order, user);
  await tx.query("DELETE FROM cart_items WHERE user_id = $1", [user]);
  await tx.query("UPDATE orders SET total = (SELECT coalesce(sum(line_total), 0) FROM order_items WHERE order_id = $1 AND user_id = $2) WHERE id = $1 AND user_id = $2", [order, user]);
}

/** Items and a note that are undone, then others under the same primary keys. */
export async function placeOrderAfterSecondThoughts(tx: Transaction): Promise<void> {
  const user = await someUser(tx);
  const order = await newOrder(tx, user);
  await tx.undone(async () => {
    await addItems(tx, order, user);
    await addNote(tx, order, user, "second thoughts");
    await tx.query("UPDATE users SET active = NOT active WHERE id = $1", [user]);
  });
  await addItems(tx, order, user);
  await addNote(tx, order, user, `no "second" thoughts,\n\\N`);
}

/** Many rows of many users in one statement. */
export async function shipOrders(tx: Transaction): Promise<void> {
  await tx.change(
    `UPDATE orders SET status = $2, coupons = CASE WHEN id % 2 = 0 THEN array_append(coupons, NULL) END
      WHERE id IN (SELECT id FROM orders WHERE id >= $1 ORDER BY id LIMIT 20 FOR UPDATE)`,
    [tx.idIn("orders"), tx.random.pick(["paid", "shipped", "delivered"])],
  );
}

export async function changeOrder(tx: Transaction): Promise<void> {
  const order = await lockedOrder(tx);
  await tx.query("DELETE FROM order_items WHERE order_id = $1 AND line = 3", [order.id]);
  await tx.query("UPDATE order_items SET quantity = quantity % 5 + 1 WHERE order_id = $1", [order.id]);
  await addNote(tx, order.id, order.user_id, null);
}

/** Takes its items and notes along. */
export async function deleteOrder(tx: Transaction): Promise<void> {
  await tx.change("DELETE FROM orders WHERE id = $1", [(await lockedOrder(tx)).id]);
}

/** A new primary key, beside an unchanged sharding key; items and notes follow. */
export async function renumberOrder(tx: Transaction): Promise<void> {
  await tx.change("UPDATE orders SET id = DEFAULT WHERE id = $1", [(await lockedOrder(tx)).id]);
}

/** A new sharding key, beside an unchanged primary key; items and notes follow. */
export async function handOverOrder(tx: Transaction): Promise<void> {
  const user = await someUser(tx);
  await tx.change("UPDATE orders SET user_id = $2 WHERE id = $1", [(await lockedOrder(tx)).id, user]);
}

async function newOrder(tx: Transaction, user: Id): Promise<Id> {
  const { id } = await tx.one<{ id: Id }>("INSERT INTO orders (user_id, coupons) VALUES ($1, $2) RETURNING id", [
    user,
    tx.random.pick([null, [], ["WELCOME", `a "b"\\, {c}`]]),
  ]);
  return id;
}

async function addItems(tx: Transaction, order: Id, user: Id): Promise<void> {
  const products = await someProducts(tx);
  await tx.query(
    `INSERT INTO order_items (order_id, line, user_id, product_id, quantity, unit_price)
      SELECT $1, line, $2, product, 1 + line % 3, price FROM unnest($3::bigint[], $4::numeric[]) WITH ORDINALITY AS p (product, price, line)`,
    [order, user, products.map(({ id }) => id), products.map(({ price }) => price)],
  );
}

/** By its whole key and the sharding key: ON CONFLICT could not tell of a row on another shard. */
async function addNote(tx: Transaction, order: Id, user: Id, size: string | null): Promise<void> {
  const number = tx.random.integer(1, 3);
  const { rowCount } = await tx.query(
    `UPDATE "Order Notes" SET "select" = "select" || '+', "Größe ""L""" = NULL WHERE "of" = $1 AND "No." = $2 AND user_id = $3`,
    [order, number, user],
  );
  if (rowCount !== 0) return;
  await tx.query(`INSERT INTO "Order Notes" ("of", "No.", user_id, "Größe ""L""", "select") VALUES ($1, $2, $3, $4, $5)`, [order, number, user, size, "a note\tof the order"]);
}
