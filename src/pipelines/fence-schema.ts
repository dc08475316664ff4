import type { Migration } from "./migration.js";
import type { MigrationLock } from "./migration-lock.js";

/** How often the lock had been taken when its shards were fenced last. */
const fenced = new WeakMap<MigrationLock, number>();

/**
 * Ends what a former attempt left at work on the schema of the shards: a session whose process was killed goes on with
 * its statement, and would change what has just been looked at. Once for each time that the lock, which is to be held, was
 * taken, and before a phase is tried again.
 */
export async function fenceSchema({ sessions, shards, lock }: Pick<Migration, "sessions" | "shards" | "lock">, { again }: { readonly again: boolean }): Promise<void> {
  if (!again && fenced.get(lock) === lock.taken) return;
  await sessions.kept.end("schema");
  await Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", (client) => sessions.fence(client, "schema"))));
  fenced.set(lock, lock.taken);
}
