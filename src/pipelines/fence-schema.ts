import type { Migration } from "./migration.js";

/**
 * Ends what a former attempt left at work on the schema of the shards: a session whose process was killed goes on with
 * its statement, and would change what has just been looked at. The lock is to be held.
 */
export async function fenceSchema({ sessions, shards }: Pick<Migration, "sessions" | "shards">): Promise<void> {
  await Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", (client) => sessions.fence(client, "schema"))));
}
