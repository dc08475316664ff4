import type { ShardSession } from "./shard-session.js";

/**
 * Does something on several shards at once. Where it fails on one, the others' is cancelled, and waited for: nobody else
 * may talk with a shard while somebody still waits for its answer.
 *
 * Fails with what failed first.
 */
export async function together<T>(sessions: readonly ShardSession[], work: (session: ShardSession, index: number) => Promise<T>): Promise<T[]> {
  let first: { readonly error: unknown } | undefined;
  const results = await Promise.allSettled(sessions.map(async (session, index) => {
    try {
      return await work(session, index);
    } catch (error) {
      if (first === undefined) {
        first = { error };
        for (const other of sessions) if (other !== session && !other.failed) void other.cancel();
      }
      throw error;
    }
  }));
  return results.map((result) => {
    if (result.status === "rejected") throw first!.error;
    return result.value;
  });
}
