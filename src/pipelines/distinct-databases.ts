import { randomInt } from "node:crypto";
import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";

/** A database of the migration, with a session on it. */
export interface OpenDatabase {
  readonly address: ServerAddress;
  readonly client: pg.Client;
}

/**
 * Refuses a shard that is a shard of the source, or another one, under whatever host name: an advisory lock taken through one
 * session shows through the other. Nothing is locked on the source; it is only looked at. Locks go with their sessions.
 */
export async function checkDistinctDatabases(sources: readonly OpenDatabase[], shards: readonly OpenDatabase[]): Promise<void> {
  const key = [randomInt(2 ** 31), randomInt(2 ** 31)];
  for (const [number, shard] of shards.entries()) {
    const { rows } = await shard.client.query<{ locked: boolean }>("SELECT pg_try_advisory_lock($1::int4, $2::int4) AS locked", key);
    if (!rows[0]!.locked) throw sameDatabase(shard.address, `shard ${number} and an earlier shard`);
    // Shards may be on the source's server: only a lock in the source's own database counts.
    for (const source of sources) {
      const { rows: seen } = await source.client.query<{ held: boolean }>(
        `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int8::oid AND objid = $2::int8::oid AND objsubid = 2
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS held`,
        key,
      );
      if (seen[0]!.held) throw sameDatabase(shard.address, `shard ${number} and the source`);
    }
  }
  await Promise.all(shards.map(({ client }) => client.query("SELECT pg_advisory_unlock($1::int4, $2::int4)", key)));
}

function sameDatabase(address: ServerAddress, which: string): ReshardError {
  const server = displayAddress(address);
  return new ReshardError("SAME_DATABASE", `${server} is ${which} at once.`, {
    place: { server },
    remedy: "Give each shard a database of its own in [[databases]].",
  });
}
