import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { endQuietly, hasEnded } from "../postgres/connection.js";
import { isRetryable } from "../postgres/server-errors.js";

/** Sessions that wait for their next use, by server and by what they are for. Those that were lost meanwhile are passed over. */
export class IdleSessions<Purpose extends string> {
  /** By purpose, and then by server. */
  readonly #idle = new Map<Purpose, Map<string, pg.Client[]>>();
  #closed = false;

  take(server: ServerAddress, purpose: Purpose): pg.Client | undefined {
    const idle = this.#idle.get(purpose)?.get(keyOf(server));
    for (;;) {
      const client = idle?.pop();
      if (client === undefined || !hasEnded(client)) return client;
    }
  }

  /** One that could be made ready; one may be lost and nobody told. */
  async takeReady(server: ServerAddress, purpose: Purpose, makeReady: (client: pg.Client) => Promise<unknown>): Promise<pg.Client | undefined> {
    for (let client = this.take(server, purpose); client !== undefined; client = this.take(server, purpose)) {
      try {
        await makeReady(client);
        return client;
      } catch (error) {
        await endQuietly(client);
        if (!isRetryable(error)) throw error;
      }
    }
    return undefined;
  }

  keep(client: pg.Client, server: ServerAddress, purpose: Purpose): void {
    if (this.#closed) {
      void endQuietly(client);
      return;
    }
    const servers = this.#idle.get(purpose) ?? new Map<string, pg.Client[]>();
    this.#idle.set(purpose, servers);
    const key = keyOf(server);
    servers.set(key, [...(servers.get(key) ?? []), client]);
  }

  /** Ends all of a purpose; where one is lost and nobody told, that takes long and is not waited for. */
  end(purpose: Purpose): void {
    const clients = [...(this.#idle.get(purpose)?.values() ?? [])].flat();
    this.#idle.delete(purpose);
    for (const client of clients) void endQuietly(client);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = [...this.#idle.values()].flatMap((servers) => [...servers.values()].flat());
    this.#idle.clear();
    await Promise.all(clients.map(endQuietly));
  }
}

function keyOf({ host, port, database, user }: ServerAddress): string {
  return JSON.stringify([host, port, database, user]);
}
