import type { Migration } from "./migration.js";
import type { MigrationLock } from "./migration-lock.js";

/** How often the lock had been taken when work on the schema of the shards last came to a good end. */
const sound = new WeakMap<MigrationLock, number>();

/**
 * Works on the schema of the shards, after it has ended what a former attempt left at work there: a session whose process
 * was killed goes on with its statement, and would change what has just been looked at. Such there may be since the lock,
 * which is to be held, was taken, and since work failed.
 */
export async function fencedWork<T>({ sessions, shards, lock }: Pick<Migration, "sessions" | "shards" | "lock">, work: () => Promise<T>): Promise<T> {
  const { taken } = lock;
  if (sound.get(lock) !== taken) {
    // The fence would end them in the middle of what they are given next.
    sessions.kept.end("schema");
    await Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", (client) => sessions.fence(client, "schema"))));
  }
  sound.delete(lock);
  const result = await work();
  sound.set(lock, taken);
  return result;
}
