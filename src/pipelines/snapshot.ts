import { randomBytes } from "node:crypto";
import type pg from "pg";
import { quoteIdentifier, quoteLiteral } from "../postgres/identifiers.js";
import { type Lsn, parseLsn } from "../postgres/lsn.js";

/** The source as it is at a position: exactly the transactions that committed before it are seen. */
export interface Snapshot {
  /** For SET TRANSACTION SNAPSHOT. */
  readonly name: string;
  readonly position: Lsn;
}

/** A snapshot for other sessions to join; it goes with this replication session's next command, as its slot does. */
export async function exportSnapshot(client: pg.Client): Promise<Snapshot> {
  const slot = `reshard_verify_${randomBytes(8).toString("hex")}`;
  const { rows } = await client.query<{ consistent_point: string; snapshot_name: string }>(
    `CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')`,
  );
  return { name: rows[0]!.snapshot_name, position: parseLsn(rows[0]!.consistent_point) };
}

/** Begins a transaction of a session that sees what the snapshot shows, or without one what is there now. */
export async function joinSnapshot(client: pg.Client, name: string | undefined): Promise<void> {
  await client.query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ");
  if (name !== undefined) await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(name)}`);
}
