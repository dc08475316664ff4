import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { endQuietly } from "../postgres/connection.js";

/** Sessions that wait for their next use, by server and by what they are for. One that is lost meanwhile is taken out. */
export class IdleSessions<Purpose extends string> {
  readonly #idle = new Map<string, pg.Client[]>();
  /** Those whose end is listened for. */
  readonly #watched = new WeakSet<pg.Client>();
  #closed = false;

  take(server: ServerAddress, purpose: Purpose): pg.Client | undefined {
    return this.#idle.get(keyOf(server, purpose))?.pop();
  }

  keep(client: pg.Client, server: ServerAddress, purpose: Purpose): void {
    if (this.#closed) {
      void endQuietly(client);
      return;
    }
    const key = keyOf(server, purpose);
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    idle.push(client);
    if (this.#watched.has(client)) return;
    this.#watched.add(client);
    client.once("end", () => {
      const place = idle.indexOf(client);
      if (place >= 0) idle.splice(place, 1);
    });
  }

  /** Ends all of a purpose. */
  async end(purpose: Purpose): Promise<void> {
    const lists = [...this.#idle].filter(([key]) => purposeOf(key) === purpose).map(([, idle]) => idle);
    await Promise.all(lists.flatMap((idle) => idle.splice(0)).map(endQuietly));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = [...this.#idle.values()].flat();
    this.#idle.clear();
    await Promise.all(clients.map(endQuietly));
  }
}

function purposeOf(key: string): unknown {
  return (JSON.parse(key) as unknown[]).at(-1);
}

function keyOf({ host, port, database, user }: ServerAddress, purpose: string): string {
  return JSON.stringify([host, port, database, user, purpose]);
}
