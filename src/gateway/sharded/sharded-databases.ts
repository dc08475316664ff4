import type { Database } from "../../config/types.js";
import { ReshardError } from "../../errors.js";
import { WireError } from "../../wire/wire-error.js";
import type { BackendSession, SessionContext } from "../backend-session.js";
import { ShardedDatabase, type ShardedOptions } from "./sharded-database.js";
import { ShardedSession } from "./sharded-session.js";

/** The sharded databases of a gateway; `session` is its factory for their clients' sessions. */
export class ShardedDatabases {
  readonly #optionsOf: (database: Database) => ShardedOptions;
  readonly #open = new Map<Database, Promise<ShardedDatabase>>();

  constructor(optionsOf: (database: Database) => ShardedOptions) {
    this.#optionsOf = optionsOf;
  }

  /** For `GatewayOptions.shardedSession`. */
  readonly session = (context: SessionContext): BackendSession => new ShardedSession(context, async () => {
    try {
      return await this.start(context.database);
    } catch (error) {
      if (!(error instanceof ReshardError)) throw error;
      throw new WireError("08001", error.message, { severity: "FATAL", hint: error.remedy, cause: error });
    }
  });

  /**
   * Reads the database's catalog, and finishes what two-phase commits have left behind; once. To be called at the start, or a
   * client's first session does it.
   *
   * Fails as `ShardedDatabase.open`; the next call tries again.
   */
  async start(database: Database): Promise<ShardedDatabase> {
    const open = this.#open.get(database) ?? ShardedDatabase.open(database, this.#optionsOf(database));
    this.#open.set(database, open);
    try {
      return await open;
    } catch (error) {
      if (this.#open.get(database) === open) this.#open.delete(database);
      throw error;
    }
  }

  /** Lets go of all but these. Sessions that are still on others go on. */
  async retain(databases: readonly Database[]): Promise<void> {
    for (const [database, open] of this.#open) {
      if (databases.includes(database)) continue;
      this.#open.delete(database);
      (await open.catch(() => undefined))?.close();
    }
  }
}
