import type pg from "pg";
import type { ServerAddress, Shard } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { readServerVersion } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";

/** A server that tables of a source shard are copied from: its primary, or a standby. */
export interface CopyServer {
  readonly address: ServerAddress;
  readonly isStandby: boolean;
  /** Slots that can still be made there; each table copied at a time needs one. */
  readonly freeSlots: number;
}

/** Logical decoding on standbys is there since 16. */
const OLDEST_STANDBY_VERSION = 160000;

/** Where tables are to be copied from: standbys kept for it (`resharding_only`), else any, else the primary. */
export function copyAddresses({ primary, replicas }: Shard): readonly ServerAddress[] {
  const kept = replicas.filter(({ reshardingOnly }) => reshardingOnly);
  if (kept.length > 0) return kept;
  return replicas.length > 0 ? replicas : [primary];
}

/** Names a database server together with all its standbys. */
export async function systemIdentifier(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>("SELECT system_identifier::text AS id FROM pg_control_system()");
  return rows[0]!.id;
}

/**
 * Checks that a server is a standby of the source shard from which tables can be copied.
 *
 * @param system the primary's `systemIdentifier`
 */
export async function checkStandby(client: pg.Client, address: ServerAddress, system: string): Promise<CopyServer> {
  const server = displayAddress(address);
  const fail = (code: string, message: string, remedy: string): ReshardError => new ReshardError(code, `${server} ${message}`, { place: { server }, remedy });
  const version = await readServerVersion(client);
  if (version < OLDEST_STANDBY_VERSION) {
    throw fail("REPLICA_TOO_OLD", `runs PostgreSQL ${Math.floor(version / 10000)}; tables can be copied from a standby since 16.`, "Remove the entry with role = \"replica\": the primary will be read.");
  }
  const { rows } = await client.query<{ recovers: boolean; wal_level: string; slots: number; senders: number }>(
    `SELECT pg_is_in_recovery() AS recovers, current_setting('wal_level') AS wal_level,
            current_setting('max_replication_slots')::int4 - (SELECT count(*) FROM pg_replication_slots)::int4 AS slots,
            current_setting('max_wal_senders')::int4 - (SELECT count(*) FROM pg_stat_replication)::int4 AS senders`,
  );
  const { recovers, wal_level: walLevel, slots, senders } = rows[0]!;
  if (!recovers) throw fail("REPLICA_IS_PRIMARY", "is not a standby, but its entry says role = \"replica\".", "Correct the entry in [[databases]].");
  if ((await systemIdentifier(client)) !== system) throw fail("REPLICA_OF_ANOTHER", "is a standby of another server than the source shard's primary.", "Correct host, port or shard of the entry in [[databases]].");
  if (walLevel !== "logical") throw fail("WAL_LEVEL", `has wal_level = ${walLevel}.`, "ALTER SYSTEM SET wal_level = 'logical'; on the primary and the standby, and restart both.");
  const freeSlots = Math.min(slots, senders);
  if (freeSlots < 1) throw fail("NO_FREE_SLOT", "has no replication slot or sender left; each table copied at a time needs one.", "Raise max_replication_slots and max_wal_senders there (a restart), or drop slots that nobody needs.");
  return { address, isStandby: true, freeSlots };
}

/** Spreads work over servers: each piece goes to the one that has the fewest. */
export class CopyServers {
  readonly #limits: Map<CopyServer, number>;
  readonly #busy = new Map<CopyServer, number>();
  /** Where the last piece went, so that equals take turns. */
  #last = -1;

  /** @param mostAtATime pieces for each server */
  constructor(servers: readonly CopyServer[], mostAtATime: number) {
    this.#limits = new Map(servers.map((server) => [server, Math.max(1, Math.min(mostAtATime, server.freeSlots))]));
  }

  /** How many pieces all servers take at a time. */
  get capacity(): number {
    return [...this.#limits.values()].reduce((sum, limit) => sum + limit, 0);
  }

  /** Does a piece of work with one of the servers; `capacity` must not be exceeded. */
  async use<T>(work: (server: CopyServer) => Promise<T>): Promise<T> {
    const servers = [...this.#limits.keys()];
    const busy = (server: CopyServer): number => (this.#busy.get(server) ?? 0) / this.#limits.get(server)!;
    const turns = servers.map((_, index) => servers[(this.#last + 1 + index) % servers.length]!);
    const chosen = turns.reduce((best, server) => (busy(server) < busy(best) ? server : best));
    this.#last = servers.indexOf(chosen);
    this.#busy.set(chosen, (this.#busy.get(chosen) ?? 0) + 1);
    try {
      return await work(chosen);
    } finally {
      this.#busy.set(chosen, this.#busy.get(chosen)! - 1);
    }
  }
}
