import type { ShardSession } from "./shard-session.js";

/**
 * Nothing is asked of the shard for now, and what it says by itself is heard as it comes.
 * @param onHeard something was
 * @returns to be called, and waited for, before anything else is done with the session
 */
export function listenWhileIdle(session: ShardSession, onHeard: () => void): () => Promise<void> {
  const { stream } = session.server;
  const state = { stopped: false };
  const listening = (async () => {
    for (;;) {
      const message = stream.take() ?? (await stream.read());
      if (message !== undefined) {
        session.hearIdle(message);
        onHeard();
      } else if (state.stopped || stream.ended) return;
    }
  })();
  // What has broken shows when the session is used next, or is told by `closed`.
  listening.catch(() => undefined);
  return async () => {
    state.stopped = true;
    stream.interrupt();
    await listening.catch(() => undefined);
  };
}
