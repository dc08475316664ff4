import { parseCommandComplete } from "../../wire/backend-messages.js";
import { copyDoneMessage, copyFailMessage, parseCopyFail } from "../../wire/frontend-messages.js";
import { Backend, Frontend, HEADER_BYTES, type Message } from "../../wire/message.js";
import { connectionLost, WireError } from "../../wire/wire-error.js";
import { failure } from "./failure.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";

/** Which shard gets which of the bytes that the client sends. */
export interface CopyTarget {
  /** For each of the sessions what it is to be sent next; emptied when that is done. */
  readonly parts: readonly Buffer[][];
  feed(data: Buffer): void;
  finish(): void;
}

/** So many bytes are gathered before they go to the shards, if more are here. */
const AT_ONCE = 64 * 1024;

/** Everything to all of them. */
export function toAll(count: number): CopyTarget {
  const parts = Array.from({ length: count }, (): Buffer[] => []);
  return {
    parts,
    feed: (data) => {
      for (const part of parts) part.push(data);
    },
    finish: () => undefined,
  };
}

/**
 * Gives what the client sends to shards that have answered with CopyInResponse.
 * @param response one of these answers, for the client
 * @returns the tags of their COPY
 */
export async function feedCopy(core: SessionCore, sessions: readonly ShardSession[], response: Message, target: CopyTarget): Promise<string[]> {
  core.output.push(response.bytes);
  await core.output.flush();
  const feed = new CopyFeed(core, sessions, target);
  // Whatever a shard says now is the end of its COPY; most likely it did not like its rows.
  const answers = Promise.all(sessions.map(async (session) => {
    try {
      return parseCommandComplete(await session.expect(Backend.commandComplete));
    } catch (error) {
      feed.stop(error);
      return "";
    }
  }));
  await feed.run();
  const tags = await answers;
  if (feed.failure !== undefined) throw feed.failure;
  return tags;
}

class CopyFeed {
  /** What went wrong first. */
  failure: Error | undefined;
  readonly #core: SessionCore;
  readonly #sessions: readonly ShardSession[];
  readonly #target: CopyTarget;

  constructor(core: SessionCore, sessions: readonly ShardSession[], target: CopyTarget) {
    this.#core = core;
    this.#sessions = sessions;
    this.#target = target;
  }

  /** A shard has failed: the client's data are of no use. */
  stop(failure: unknown): void {
    this.failure ??= failure instanceof Error ? failure : new Error(String(failure));
    this.#core.client.interrupt();
  }

  /** Up to CopyDone or CopyFail of the client, which the shards are told too; or until something has gone wrong. Fails where the client is gone. */
  async run(): Promise<void> {
    try {
      if (await this.#run()) return;
    } catch (error) {
      if (!(error instanceof WireError) || error.fatal) throw error;
      // The client's own fault, and no shard knows of it.
      this.failure ??= error;
    }
    const reason = this.failure?.message ?? "another shard has failed";
    await Promise.all(this.#sessions.map((session) => session.write([copyFailMessage(reason)])));
  }

  /** False where something has gone wrong. */
  async #run(): Promise<boolean> {
    const { client } = this.#core;
    let gathered = 0;
    for (;;) {
      if (this.failure !== undefined) return false;
      let message = client.take();
      if (message === undefined) {
        if (gathered > 0) {
          await this.#send();
          gathered = 0;
          continue;
        }
        if ((await client.peek()) === undefined && client.ended) throw connectionLost("the client has gone in the middle of a COPY");
        message = client.take();
      }
      if (message === undefined) continue;
      switch (message.type) {
        case Frontend.copyData:
          this.#target.feed(message.bytes.subarray(HEADER_BYTES));
          gathered += message.bytes.length;
          if (gathered < AT_ONCE) break;
          await this.#send();
          gathered = 0;
          break;
        case Frontend.copyDone:
          this.#target.finish();
          await this.#send();
          await Promise.all(this.#sessions.map((session) => session.write([copyDoneMessage])));
          return true;
        case Frontend.copyFail:
          throw failure("57014", `COPY from stdin failed: ${parseCopyFail(message)}`);
        case Frontend.flush:
        case Frontend.sync:
          // Clients send one before they know that there is a COPY.
          break;
        default:
          throw new WireError("08P01", `unexpected message type 0x${message.type.toString(16).padStart(2, "0").toUpperCase()} during COPY from stdin`);
      }
    }
  }

  async #send(): Promise<void> {
    await Promise.all(this.#sessions.map(async (session, index) => {
      const parts = this.#target.parts[index]!.splice(0);
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      if (length === 0) return;
      const header = Buffer.allocUnsafe(HEADER_BYTES);
      header[0] = Frontend.copyData;
      header.writeInt32BE(length + 4, 1);
      await session.write([header, ...parts]);
    }));
  }
}
