import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { endQuietly } from "../postgres/connection.js";
import { quoteLiteral } from "../postgres/identifiers.js";
import { dropSnapshot } from "../sources/open-snapshot.js";
import { IdleSessions } from "./idle-sessions.js";
import type { SessionPurpose, Sessions } from "./sessions.js";

/** Sessions that read a table, or copy it into a shard, and then the next: making one ready takes longer than a small table. */
export class CopySessions {
  readonly #sessions: Sessions;
  readonly #idle = new IdleSessions<"reader" | "writer">();

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** A session of this name that speaks the replication protocol, outside of any transaction and without a slot. */
  async openReader(server: ServerAddress, purpose: SessionPurpose): Promise<pg.Client> {
    return await this.#open(server, "reader", purpose, () => this.#sessions.source(server, purpose, { replication: true }));
  }

  /** Keeps a session that has read a table and has ended its transaction. */
  async keepReader(client: pg.Client, server: ServerAddress): Promise<void> {
    try {
      // It holds back WAL, and is one of those that there may be.
      await dropSnapshot(client);
      this.#idle.keep(client, server, "reader");
    } catch {
      // All that it had to do is done.
      await endQuietly(client);
    }
  }

  /** A session of this name that writes as replication does, outside of any transaction. */
  async openWriter(shard: ServerAddress, purpose: SessionPurpose): Promise<pg.Client> {
    return await this.#open(shard, "writer", purpose, () => this.#sessions.writer(shard, purpose));
  }

  /** Keeps a session whose copy is committed. */
  keepWriter(client: pg.Client, shard: ServerAddress): void {
    this.#idle.keep(client, shard, "writer");
  }

  async close(): Promise<void> {
    await this.#idle.close();
  }

  async #open(server: ServerAddress, kind: "reader" | "writer", purpose: SessionPurpose, login: () => Promise<pg.Client>): Promise<pg.Client> {
    // By its name it is found where it is left over.
    const named = `SET application_name = ${quoteLiteral(this.#sessions.applicationName(purpose))}`;
    return (await this.#idle.takeReady(server, kind, (client) => client.query(named))) ?? (await login());
  }
}
