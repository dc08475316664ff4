import { Backend } from "../../wire/message.js";
import { WireError } from "../../wire/wire-error.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";

/**
 * A statement that cannot run inside a transaction block: on one shard after another. Where it fails, those before have
 * done it, and the client is told so.
 * @returns CommandComplete of the last
 */
export async function runAlone(core: SessionCore, text: string, sessions: readonly ShardSession[]): Promise<Buffer> {
  let end: Buffer | undefined;
  for (const [index, session] of sessions.entries()) {
    try {
      await session.query(text);
      for (let message = await session.next(); message.type !== Backend.readyForQuery; message = await session.next()) {
        if (message.type === Backend.commandComplete) end = message.bytes;
        else if (index === 0) core.output.push(message.bytes);
      }
    } catch (error) {
      if (index === 0 || !(error instanceof WireError) || error.fatal) throw error;
      const done = sessions.slice(0, index).map(({ shard }) => shard).join(", ");
      throw new WireError(error.sqlState, error.message, {
        detail: `${error.detail === undefined ? "" : `${error.detail} `}This is shard ${session.shard}; on shard ${done} it was done.`,
        hint: "It is not one transaction: run it again once the reason is gone, with IF NOT EXISTS or IF EXISTS.",
        cause: error,
      });
    }
  }
  return end!;
}
