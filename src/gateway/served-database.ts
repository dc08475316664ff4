import type { Database } from "../config/types.js";
import type { ServerInUse } from "./backend-session.js";
import type { ClientActivity } from "./client-activity.js";
import { TransactionGate } from "./transaction-gate.js";

/** Sessions that are moved at a time, of those that nobody waits for. */
const MOVED_AT_ONCE = 4;
/** How long sessions that listen are waited for before others go on, in milliseconds. */
const LISTENERS_TIME = 2000;

/** Who is connected, as its database sees it. */
export interface ConnectedClient {
  readonly activity: ClientActivity;
  readonly servers: readonly ServerInUse[];
  /** It is served by servers that are in charge no more. */
  readonly outdated: boolean;
  /** It may listen to channels. */
  readonly listens: boolean;
  /** Moves it now if it is idle, else as soon as it is. Resolves when it has moved or is gone. */
  move(): Promise<void>;
}

/** A database by the name that clients ask for: its gate, and who is connected. */
export class ServedDatabase {
  readonly name: string;
  readonly gate: TransactionGate;
  readonly clients = new Set<ConnectedClient>();

  constructor(database: Database) {
    this.name = database.name;
    this.gate = new TransactionGate(database.name, { database });
  }

  /** Undefined: removed from the configuration; its sessions end. */
  get database(): Database | undefined {
    return this.gate.generation.database;
  }

  /** Other servers are in charge from now on. While the gate is held nobody moves but at its opening. */
  replace(database: Database | undefined): void {
    this.gate.generation = { database };
    if (!this.gate.held) void this.#moveOthers();
  }

  /**
   * Opens the gate, if nobody else holds it. Sessions that listen to channels are moved first, so that they hear what is
   * told from the first transaction on; those that have nothing to do now move afterwards, by and by.
   */
  async release(holder: string): Promise<void> {
    const { gate } = this;
    if (gate.holders.length === 1 && gate.holders[0] === holder) await this.#moveListeners();
    gate.release(holder);
    if (!gate.held) void this.#moveOthers();
  }

  async #moveListeners(): Promise<void> {
    const listeners = [...this.clients].filter((client) => client.outdated && client.listens);
    if (listeners.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      Promise.all(listeners.map((client) => client.move())),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LISTENERS_TIME);
      }),
    ]);
    clearTimeout(timer);
  }

  async #moveOthers(): Promise<void> {
    const others = [...this.clients].filter((client) => client.outdated);
    await Promise.all(Array.from({ length: MOVED_AT_ONCE }, async () => {
      for (let client = others.pop(); client !== undefined; client = others.pop()) await client.move();
    }));
  }
}
