import { isDeepStrictEqual } from "node:util";
import type { Database, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { Drain } from "../pipelines/traffic.js";
import type { ClientSession } from "../wire/accept-client.js";
import { errorResponse } from "../wire/backend-messages.js";
import { equal } from "../wire/scram.js";
import { WireError } from "../wire/wire-error.js";
import type { BackendSessionFactory, ServerInUse } from "./backend-session.js";
import { type ClientRow, clientRow, type PoolRow, poolRows, type ServerRow, serverRows } from "./figures.js";
import { RelaySession } from "./relay-session.js";
import { ServedClient, type ServerLogin } from "./served-client.js";
import { ServedDatabase } from "./served-database.js";

export interface GatewayOptions {
  readonly databases: readonly Database[];
  /** How a client's sessions log in at the servers of its database. */
  loginOf(client: ClientSession, database: Database): ServerLogin;
  /** Serves clients of databases with several shards. */
  readonly shardedSession: BackendSessionFactory;
  /** Clients at a time; 0: no limit. */
  readonly maxClients: number;
  /** Milliseconds that a client may do nothing outside of a transaction; 0: no limit. */
  readonly clientIdleTimeout: number;
  /** Milliseconds that a statement may run; 0: no limit. */
  readonly queryTimeout: number;
  /** Milliseconds for a server to let a session in; 0: no limit. */
  readonly connectTimeout: number;
  /** Hears the text of each statement of the unsharded databases, off the hot path. */
  readonly onStatement: ((database: string, text: string) => void) | undefined;
}

/** How long clients are given to end when the gateway closes, in milliseconds. */
const CLOSING_TIME = 5000;

/** The applications' way to their databases. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #databases = new Map<string, ServedDatabase>();
  /** By the process id that it was told. */
  readonly #clients = new Map<number, ServedClient>();
  /** Who holds the gates of all databases, of those to come too. */
  readonly #holders = new Set<string>();
  readonly #watchman: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    for (const database of options.databases) this.#databases.set(database.name, new ServedDatabase(database));
    const limits = [options.clientIdleTimeout, options.queryTimeout].filter((limit) => limit > 0);
    if (limits.length > 0) {
      // One timer for all: who is late is found a little later.
      this.#watchman = setInterval(() => {
        this.#endLate();
      }, Math.min(1000, Math.max(10, Math.min(...limits) / 4))).unref();
    }
  }

  /** Serves a client that has logged in until it is gone; its connection is closed then. Never throws. */
  async serve(client: ClientSession): Promise<void> {
    let error: WireError | undefined;
    try {
      await this.#serve(client);
    } catch (thrown) {
      error = thrown instanceof WireError ? thrown : new WireError("XX000", thrown instanceof Error ? thrown.message : "internal error", { severity: "FATAL", cause: thrown });
    }
    await client.stream.end(error === undefined ? undefined : errorResponse(fatal(error)));
  }

  /** A CancelRequest: a key that is not a client's does nothing. Resolves when the servers have heard it. */
  async cancel(processId: number, secretKey: Buffer): Promise<void> {
    const served = this.#clients.get(processId);
    if (served !== undefined && equal(served.client.secretKey, secretKey)) await served.cancel();
  }

  has(name: string): boolean {
    return this.#databases.has(name);
  }

  /** The databases that are served now. Sessions whose servers are others now move there, each between two transactions. */
  replaceDatabases(databases: readonly Database[]): void {
    const next = new Map(databases.map((database) => [database.name, database]));
    for (const [name, served] of this.#databases) {
      if (!next.has(name)) {
        this.#databases.delete(name);
        served.replace(undefined);
      }
    }
    for (const [name, database] of next) {
      const served = this.#databases.get(name);
      if (served === undefined) {
        const added = new ServedDatabase(database);
        for (const holder of this.#holders) added.gate.hold(holder);
        this.#databases.set(name, added);
      } else if (!isDeepStrictEqual(served.database, database)) served.replace(database);
    }
  }

  /** Lets no transaction of the database (default: of any) begin; those that are open go on. */
  hold(holder: string, name?: string): void {
    for (const { gate } of this.#named(name)) gate.hold(holder);
    if (name === undefined) this.#holders.add(holder);
  }

  /** As `hold`, and resolves when no transaction is open; fails with CUTOVER_DRAIN_TIMEOUT as `TransactionGate.pause`. */
  async pause(holder: string, drain: Drain, name?: string): Promise<void> {
    const paused = await Promise.allSettled(this.#named(name).map(({ gate }) => gate.pause(holder, drain)));
    const failed = paused.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) {
      await this.release(holder, name);
      throw failed.reason;
    }
    if (name === undefined) this.#holders.add(holder);
  }

  /** Ends what `hold` or `pause` of this holder began. Transactions begin again where nobody else holds the gate. */
  async release(holder: string, name?: string): Promise<void> {
    if (name === undefined) this.#holders.delete(holder);
    const databases = name !== undefined && !this.#databases.has(name) ? [] : this.#named(name);
    await Promise.all(databases.map((database) => database.release(holder)));
  }

  /** Process ids of the gateway's sessions on a server's database. */
  processesOn(server: ServerAddress): Set<number> {
    const same = ({ address }: ServerInUse): boolean => address.host === server.host && address.port === server.port && address.database === server.database;
    return new Set([...this.#clients.values()].flatMap(({ servers }) => servers.filter(same).map(({ processId }) => processId)));
  }

  /** SHOW CLIENTS. */
  clientRows(): ClientRow[] {
    return [...this.#clients.values()].map(clientRow);
  }

  /** SHOW SERVERS. */
  serverRows(): ServerRow[] {
    return [...this.#clients.values()].flatMap(serverRows);
  }

  /** SHOW POOLS: one for each shard of each database. */
  poolRows(): PoolRow[] {
    return [...this.#databases.values()].flatMap(poolRows);
  }

  /** Ends all sessions (57P01), and lets nobody in. Statements that run are cancelled. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#watchman);
    const error = new WireError("57P01", "terminating connection due to administrator command", { severity: "FATAL" });
    const clients = [...this.#clients.values()];
    for (const served of clients) served.terminate(error);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      Promise.all(clients.map(({ client }) => client.stream.closed)),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSING_TIME);
      }),
    ]);
    clearTimeout(timer);
    for (const { client } of clients) client.stream.destroy();
  }

  async #serve(client: ClientSession): Promise<void> {
    const { maxClients } = this.#options;
    if (this.#closing) throw new WireError("57P03", "the gateway is shutting down", { severity: "FATAL" });
    const database = this.#databases.get(client.database);
    if (database === undefined) throw new WireError("3D000", `database "${client.database}" does not exist`, { severity: "FATAL" });
    if (maxClients > 0 && this.#clients.size >= maxClients) throw new WireError("53300", "sorry, too many clients already", { severity: "FATAL" });
    const replication = client.parameters.get("replication");
    if (replication !== undefined && !["false", "off", "no", "0"].includes(replication.toLowerCase())) {
      throw new WireError("0A000", "the gateway does not serve replication connections", { severity: "FATAL", hint: "Connect to the server itself." });
    }
    const served = new ServedClient(client, database, {
      loginOf: (session, of) => this.#options.loginOf(session, of),
      unsharded: (context) => new RelaySession(context),
      sharded: this.#options.shardedSession,
      connectTimeout: this.#options.connectTimeout,
      onStatement: this.#options.onStatement,
    });
    this.#clients.set(client.processId, served);
    database.clients.add(served);
    try {
      await served.run();
    } finally {
      this.#clients.delete(client.processId);
      database.clients.delete(served);
    }
  }

  #named(name: string | undefined): readonly ServedDatabase[] {
    if (name === undefined) return [...this.#databases.values()];
    const database = this.#databases.get(name);
    if (database !== undefined) return [database];
    throw new ReshardError("DATABASE_UNKNOWN", `There is no database "${name}" in the gateway.`, {
      remedy: `The databases are ${[...this.#databases.keys()].join(", ")}: correct the name, or add it to [[databases]] and RELOAD.`,
    });
  }

  #endLate(): void {
    const { clientIdleTimeout, queryTimeout } = this.#options;
    for (const served of this.#clients.values()) {
      const { state, stateFor, timedOut } = served.activity;
      if (state === "active" && queryTimeout > 0 && stateFor > queryTimeout && !timedOut) {
        served.activity.timedOut = true;
        void served.cancel();
      }
      if (state === "idle" && clientIdleTimeout > 0 && stateFor > clientIdleTimeout) {
        served.terminate(new WireError("57P05", "terminating connection due to idle-session timeout", { severity: "FATAL" }));
      }
    }
  }
}

/** What ends a session says so. */
function fatal(error: WireError): WireError {
  return error.fatal || error.fields !== undefined ? error : new WireError(error.sqlState, error.message, { severity: "FATAL", detail: error.detail, hint: error.hint, cause: error });
}
