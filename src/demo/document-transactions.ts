import { lockedDocument, someUser } from "./pick-rows.js";
import type { Transaction } from "./transaction.js";

/** More than 8 kB, so that PostgreSQL keeps it out of line (TOAST). */
const BODY = "repeat(md5($2::text) || E' größe\\n', 200 + $2::integer % 120)";

export async function insertDocument(tx: Transaction): Promise<void> {
  await tx.query(
    `INSERT INTO documents (user_id, title, body, attachment) VALUES ($1, 'Draft', ${BODY},
      CASE WHEN $2::integer % 2 = 0 THEN (SELECT decode(string_agg(md5($2::text || part), ''), 'hex') FROM generate_series(1, 200) part) END)`,
    [await someUser(tx), seed(tx)],
  );
}

/** Leaves the large values alone: they arrive as "unchanged". */
export async function retitleDocument(tx: Transaction): Promise<void> {
  await tx.change("UPDATE documents SET title = $2, views = views + 1 WHERE id = $1", [await lockedDocument(tx), `Title ${seed(tx)}`]);
}

/** One large value new, the other unchanged. */
export async function rewriteDocument(tx: Transaction): Promise<void> {
  await tx.change(`UPDATE documents SET body = ${BODY} WHERE id = $1`, [await lockedDocument(tx), seed(tx)]);
}

export async function deleteDocument(tx: Transaction): Promise<void> {
  await tx.change("DELETE FROM documents WHERE id = $1", [await lockedDocument(tx)]);
}

/** A new primary key beside unchanged large values. */
export async function renumberDocument(tx: Transaction): Promise<void> {
  await tx.change("UPDATE documents SET id = nextval('documents_id_seq') WHERE id = $1", [await lockedDocument(tx)]);
}

/** A new sharding key beside unchanged large values and an unchanged primary key. */
export async function handOverDocument(tx: Transaction): Promise<void> {
  const user = await someUser(tx);
  await tx.change("UPDATE documents SET user_id = $2 WHERE id = $1", [await lockedDocument(tx), user]);
}

/** Both keys new, beside unchanged large values. */
export async function handOverAndRenumberDocument(tx: Transaction): Promise<void> {
  const user = await someUser(tx);
  await tx.change("UPDATE documents SET user_id = $2, id = nextval('documents_id_seq') WHERE id = $1", [await lockedDocument(tx), user]);
}

function seed(tx: Transaction): number {
  return tx.random.integer(1, 1_000_000);
}
