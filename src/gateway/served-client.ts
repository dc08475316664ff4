import type { Database, ServerAddress } from "../config/types.js";
import type { ClientSession } from "../wire/accept-client.js";
import { WireError } from "../wire/wire-error.js";
import type { BackendSession, BackendSessionFactory, ServerInUse } from "./backend-session.js";
import { ClientActivity } from "./client-activity.js";
import type { ConnectedClient, ServedDatabase } from "./served-database.js";
import type { SessionState } from "./session-state.js";
import type { Visitor } from "./transaction-gate.js";

export interface ServingOptions {
  /** As `GatewayOptions.addressesFor`. */
  addressesFor(client: ClientSession, database: Database): readonly ServerAddress[];
  readonly unsharded: BackendSessionFactory;
  readonly sharded: BackendSessionFactory;
  readonly connectTimeout: number;
  readonly onStatement: ((database: string, text: string) => void) | undefined;
}

/** A client that is served: by one session after another, each on the servers that are in charge then. */
export class ServedClient implements Visitor, ConnectedClient {
  readonly client: ClientSession;
  readonly activity = new ClientActivity();
  readonly #database: ServedDatabase;
  readonly #options: ServingOptions;
  readonly #told = new Map<string, string>();
  #session: BackendSession | undefined;
  /** Sessions that were left, until their servers have closed. */
  readonly #ending = new Set<BackendSession>();
  #generation: unknown;
  readonly #settled = new Set<() => void>();
  #finished = false;

  constructor(client: ClientSession, database: ServedDatabase, options: ServingOptions) {
    this.client = client;
    this.#database = database;
    this.#options = options;
  }

  get description(): string {
    const { address, port, user } = this.client;
    const name = this.applicationName;
    const from = address === undefined ? "local" : `${address}:${port ?? 0}`;
    return `${name === "" ? "an application without a name" : `application "${name}"`} of user "${user}" at ${from}, ${this.activity.state} for ${Math.round(this.activity.stateFor)} ms`;
  }

  get applicationName(): string {
    return this.#told.get("application_name") ?? this.client.parameters.get("application_name") ?? "";
  }

  /** Also those that are being closed. */
  get servers(): readonly ServerInUse[] {
    return [...(this.#session?.servers ?? []), ...[...this.#ending].flatMap(({ servers }) => servers)];
  }

  /** Serves until the client is gone. Throws the `WireError` that it has to be told. */
  async run(): Promise<void> {
    try {
      let state: SessionState | undefined;
      for (;;) {
        const next = await this.#serve(state);
        if (next === undefined) return;
        state = next;
      }
    } finally {
      this.#finished = true;
      this.#wake();
    }
  }

  async move(): Promise<void> {
    while (!this.#finished && this.#generation !== this.#database.gate.generation) {
      this.#session?.move();
      await new Promise<void>((resolve) => this.#settled.add(resolve));
    }
  }

  get outdated(): boolean {
    return this.#generation !== this.#database.gate.generation;
  }

  get listens(): boolean {
    return this.#session?.listens ?? false;
  }

  async cancel(): Promise<void> {
    await this.#session?.cancel();
  }

  expel(error: WireError): void {
    this.#session?.ending.expel(error);
  }

  terminate(error: WireError): void {
    if (this.#session === undefined) this.client.stream.destroy();
    else this.#session.ending.terminate(error);
  }

  /** One session; the state for the next one, undefined where the client is gone. */
  async #serve(state: SessionState | undefined): Promise<SessionState | undefined> {
    const { gate } = this.#database;
    const { generation } = gate;
    const { database } = generation;
    if (database === undefined) {
      throw new WireError("57P01", "terminating connection: the database was removed", { severity: "FATAL", detail: `Database "${this.client.database}" is in the configuration no more.` });
    }
    const pass = gate.pass(this);
    const { onStatement } = this.#options;
    const create = database.shards.length > 1 ? this.#options.sharded : this.#options.unsharded;
    const session = create({
      client: this.client,
      database,
      addresses: this.#options.addressesFor(this.client, database),
      pass,
      state,
      told: this.#told,
      activity: this.activity,
      ready: () => {
        this.#generation = generation;
        this.#wake();
      },
      connectTimeout: this.#options.connectTimeout,
      onStatement: onStatement === undefined ? undefined : (text) => {
        onStatement(this.client.database, text);
      },
    });
    this.#session = session;
    let moving = false;
    try {
      if ((await session.run()) === "left") return undefined;
      moving = true;
      return await session.state();
    } finally {
      if (moving) pass.end();
      this.#session = undefined;
      this.#ending.add(session);
      const ended = session.end().then(() => {
        this.#ending.delete(session);
        // What was open is over now, and not before.
        pass.end();
      });
      // The next session does not wait for this one's servers.
      if (!moving) await ended;
    }
  }

  #wake(): void {
    const settled = [...this.#settled];
    this.#settled.clear();
    for (const wake of settled) wake();
  }
}
