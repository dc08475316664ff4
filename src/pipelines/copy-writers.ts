import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { endQuietly } from "../postgres/connection.js";
import { quoteLiteral } from "../postgres/identifiers.js";
import { isRetryable } from "../postgres/server-errors.js";
import { IdleSessions } from "./idle-sessions.js";
import type { SessionPurpose, Sessions } from "./sessions.js";

/** Sessions that copy a table into a shard, and then the next: making one ready takes longer than a small table. */
export class CopyWriters {
  readonly #sessions: Sessions;
  readonly #idle = new IdleSessions<"copy">();

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** A session of this name, outside of any transaction. */
  async open(shard: ServerAddress, purpose: SessionPurpose): Promise<pg.Client> {
    for (let kept = this.#idle.take(shard, "copy"); kept !== undefined; kept = this.#idle.take(shard, "copy")) {
      try {
        // By its name it is found where it is left over.
        await kept.query(`SET application_name = ${quoteLiteral(this.#sessions.applicationName(purpose))}`);
        return kept;
      } catch (error) {
        await endQuietly(kept);
        if (!isRetryable(error)) throw error;
      }
    }
    return await this.#sessions.writer(shard, purpose);
  }

  /** Keeps a session whose copy is committed. */
  keep(client: pg.Client, shard: ServerAddress): void {
    this.#idle.keep(client, shard, "copy");
  }

  async close(): Promise<void> {
    await this.#idle.close();
  }
}
