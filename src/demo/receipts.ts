import type pg from "pg";

/** Each transaction of the writers leaves a row here, so that what they were told can be compared with what is stored. */
export const receiptsSchema = "CREATE TABLE receipts (writer bigint, number bigint, signed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (writer, number))";

/** Signs a transaction; `StartWriters` calls it before COMMIT. */
export async function signReceipt(client: pg.Client, writer: number, number: number): Promise<void> {
  await client.query({ name: "demo_receipt", text: "INSERT INTO receipts (writer, number) VALUES ($1, $2)", values: [writer, number] });
}

/** Rows of one database or shard. */
export async function countReceipts(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: string }>("SELECT count(*) AS count FROM receipts");
  return Number(rows[0]!.count);
}
