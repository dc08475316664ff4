import { quoteIdentifier } from "../../postgres/identifiers.js";
import { type ChannelChange, withChannel } from "./channel-change.js";
import type { SessionCore } from "./session-core.js";
import { together } from "./together.js";

/** LISTEN, UNLISTEN. As on one server they count from the transaction's COMMIT on. */
export async function changeChannel(core: SessionCore, change: ChannelChange): Promise<void> {
  if (core.transaction.mode === "none") await listenTo(core, withChannel(core.channels, change));
  else core.transaction.changeChannel(change);
}

/**
 * Listens to these channels and no others, on every shard: a trigger notifies where its row is. Outside of a transaction,
 * of which it is never a part: one that listens cannot be prepared.
 */
export async function listenTo(core: SessionCore, channels: ReadonlySet<string>): Promise<void> {
  const added = [...channels].filter((channel) => !core.channels.has(channel));
  const removed = [...core.channels].filter((channel) => !channels.has(channel));
  const statements = [...added.map((channel) => `LISTEN ${quoteIdentifier(channel)}`), ...removed.map((channel) => `UNLISTEN ${quoteIdentifier(channel)}`)];
  if (statements.length === 0) return;
  await together(await Promise.all(core.everyShard.map((shard) => core.shards.get(shard))), (session) => session.execute(...statements));
  core.channels = channels;
}
