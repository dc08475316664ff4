import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { endQuietly } from "../postgres/connection.js";
import { isRetryable } from "../postgres/server-errors.js";
import { IdleSessions } from "./idle-sessions.js";

/** What kept sessions may be for: pieces of work that do no harm a second time. */
export type KeptPurpose = "monitor" | "journal" | "verify" | "schema";

/**
 * Sessions for pieces of work, kept for the next one: a login costs more than most of them. Each serves one at a
 * time. One that was lost meanwhile is replaced, and the work done again.
 */
export class KeptSessions {
  readonly #open: (server: ServerAddress, purpose: KeptPurpose) => Promise<pg.Client>;
  readonly #idle = new IdleSessions<KeptPurpose>();

  constructor(open: (server: ServerAddress, purpose: KeptPurpose) => Promise<pg.Client>) {
    this.#open = open;
  }

  /** @param work leaves no transaction open; may be done twice */
  async use<T>(server: ServerAddress, purpose: KeptPurpose, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const kept = this.#idle.take(server, purpose);
    if (kept !== undefined) {
      try {
        return await this.#work(kept, server, purpose, work);
      } catch (error) {
        if (!isRetryable(error)) throw error;
      }
    }
    return await this.#work(await this.#open(server, purpose), server, purpose, work);
  }

  /** The same for work that is not to be done twice: that its session was lost is thrown. */
  async useOnce<T>(server: ServerAddress, purpose: KeptPurpose, work: (client: pg.Client) => Promise<T>): Promise<T> {
    return await this.#work(await this.open(server, purpose), server, purpose, work);
  }

  /** For work that is more than a call: a session that was kept, or else a new one, which is the caller's to keep again or to end. */
  async open(server: ServerAddress, purpose: KeptPurpose): Promise<pg.Client> {
    return this.#idle.take(server, purpose) ?? (await this.#open(server, purpose));
  }

  /** Keeps a session that was opened otherwise. */
  keep(client: pg.Client, server: ServerAddress, purpose: KeptPurpose): void {
    this.#idle.keep(client, server, purpose);
  }

  /** Ends those that are kept for a purpose. */
  async end(purpose: KeptPurpose): Promise<void> {
    await this.#idle.end(purpose);
  }

  async close(): Promise<void> {
    await this.#idle.close();
  }

  async #work<T>(client: pg.Client, server: ServerAddress, purpose: KeptPurpose, work: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      const result = await work(client);
      this.keep(client, server, purpose);
      return result;
    } catch (error) {
      // It may be lost, or in the middle of a transaction.
      await endQuietly(client);
      throw error;
    }
  }
}
