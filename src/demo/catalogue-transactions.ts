import type { Transaction } from "./transaction.js";

/** All of these change omnisharded tables: every shard gets the same. */

export async function addProduct(tx: Transaction): Promise<void> {
  await tx.query(
    `INSERT INTO products (sku, name, price, labels, attributes) VALUES ('SKU-' || gen_random_uuid(), $1, $2, $3, $4)`,
    ["New product", tx.random.integer(1, 99_999) / 100, ["new", null], tx.random.pick([null, JSON.stringify({ color: 3 })])],
  );
}

/** Many rows in one statement; in the order of the key, so that two of them wait for each other and do not deadlock. */
export async function repriceProducts(tx: Transaction): Promise<void> {
  await tx.change(
    `UPDATE products SET price = round(price * 1.01, 2) % 1000
      WHERE id IN (SELECT id FROM products WHERE id >= $1 ORDER BY id LIMIT 10 FOR UPDATE)`,
    [tx.idIn("products")],
  );
}

export async function changeSetting(tx: Transaction): Promise<void> {
  await tx.query(
    "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value, revision = DEFAULT",
    [`setting.${tx.random.integer(1, 30)}`, JSON.stringify(tx.random.pick([null, 1.5, "größe", { a: [1, null] }]))],
  );
}

/** A primary key changes on every shard, then a row goes. */
export async function renameSetting(tx: Transaction): Promise<void> {
  const { name } = await tx.one<{ name: string }>("SELECT name FROM settings WHERE name >= $1 ORDER BY name LIMIT 1 FOR UPDATE", [
    `setting.${tx.random.integer(1, 30)}`,
  ]);
  await tx.change("UPDATE settings SET name = 'setting.x' || nextval('settings_revision_seq') WHERE name = $1", [name]);
}

export async function dropSetting(tx: Transaction): Promise<void> {
  await tx.change(
    `DELETE FROM settings WHERE name = (SELECT name FROM settings WHERE name > 'setting.x' ORDER BY name LIMIT 1 FOR UPDATE)`,
  );
}

export async function addTag(tx: Transaction): Promise<void> {
  await tx.query("INSERT INTO tags (name) VALUES ('tag ' || gen_random_uuid())");
}

export async function changeTaxRate(tx: Transaction): Promise<void> {
  await tx.change("UPDATE countries SET tax_rate = $2 WHERE code = $1", [tx.random.pick(["de", "us", "jp"]), tx.random.integer(0, 30) / 100]);
}
