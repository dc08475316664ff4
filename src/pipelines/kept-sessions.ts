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
  readonly #login: (server: ServerAddress, purpose: KeptPurpose) => Promise<pg.Client>;
  readonly #makeReady: (client: pg.Client, purpose: KeptPurpose) => Promise<unknown>;
  readonly #idle = new IdleSessions<KeptPurpose>();

  /** @param makeReady done with each new session, and again where work that is not to be done twice gets one */
  constructor(login: (server: ServerAddress, purpose: KeptPurpose) => Promise<pg.Client>, makeReady: (client: pg.Client, purpose: KeptPurpose) => Promise<unknown> = () => Promise.resolve()) {
    this.#login = login;
    this.#makeReady = makeReady;
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
    return await this.#work(await this.#new(server, purpose), server, purpose, work);
  }

  /** The same for work that is not to be done twice: that its session was lost is thrown. */
  async useOnce<T>(server: ServerAddress, purpose: KeptPurpose, work: (client: pg.Client) => Promise<T>): Promise<T> {
    return await this.#work(await this.open(server, purpose), server, purpose, work);
  }

  /** For work that is more than a call: a session that was kept, or else a new one, which is the caller's to keep again or to end. */
  async open(server: ServerAddress, purpose: KeptPurpose): Promise<pg.Client> {
    return (await this.#idle.takeReady(server, purpose, (client) => this.#makeReady(client, purpose))) ?? (await this.#new(server, purpose));
  }

  /** Keeps a session that was opened otherwise. */
  keep(client: pg.Client, server: ServerAddress, purpose: KeptPurpose): void {
    this.#idle.keep(client, server, purpose);
  }

  /** Ends those that are kept for a purpose. */
  end(purpose: KeptPurpose): void {
    this.#idle.end(purpose);
  }

  async close(): Promise<void> {
    await this.#idle.close();
  }

  async #new(server: ServerAddress, purpose: KeptPurpose): Promise<pg.Client> {
    const client = await this.#login(server, purpose);
    try {
      await this.#makeReady(client, purpose);
      return client;
    } catch (error) {
      await endQuietly(client);
      throw error;
    }
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
