import type { ServerAddress } from "../../config/types.js";
import { openServer } from "../../wire/open-server.js";
import { type Aside, ShardSession } from "./shard-session.js";
import { WireError } from "../../wire/wire-error.js";
import { settingStatements } from "./session-settings.js";
import type { TypeMap } from "./user-types.js";

/** Settings that decide what an answer looks like: all shards have the first one's, whatever their own defaults are. */
const ALIGNED = ["TimeZone", "DateStyle", "IntervalStyle", "client_encoding", "standard_conforming_strings", "search_path"];

export interface ShardSessionsOptions {
  readonly addresses: readonly ServerAddress[];
  /** The client's start-up parameters. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly connectTimeout: number;
  readonly typesOn: (shard: number) => Promise<TypeMap>;
  readonly aside: Aside;
  /** A shard that was idle has closed the connection. */
  readonly onClosed: (shard: ShardSession) => void;
}

/** The sessions of one client, each opened when it is first needed. */
export class ShardSessions {
  readonly #options: ShardSessionsOptions;
  readonly #sessions: (ShardSession | undefined)[];
  readonly #opening = new Map<number, Promise<ShardSession>>();
  #first: ReadonlyMap<string, string> | undefined;

  constructor(options: ShardSessionsOptions) {
    this.#options = options;
    this.#sessions = options.addresses.map(() => undefined);
  }

  get count(): number {
    return this.#sessions.length;
  }

  /** Those that are open, by their number. */
  get open(): readonly ShardSession[] {
    return this.#sessions.filter((session) => session !== undefined);
  }

  /** Those that take part in the transaction, by their number. */
  get joined(): readonly ShardSession[] {
    return this.open.filter(({ joined }) => joined);
  }

  has(shard: number): boolean {
    return this.#sessions[shard] !== undefined;
  }

  /**
   * The session on a shard.
   *
   * Fails with a `WireError` where it cannot be opened.
   */
  async get(shard: number): Promise<ShardSession> {
    const open = this.#sessions[shard];
    if (open !== undefined) return open;
    const opening = this.#opening.get(shard) ?? this.#open(shard).finally(() => this.#opening.delete(shard));
    this.#opening.set(shard, opening);
    return await opening;
  }

  /** Brings a session that is outside of a transaction to the client's settings. */
  async align(session: ShardSession, settings: ReadonlyMap<string, string>): Promise<void> {
    if (session.settings === settings) return;
    const wanted = session.base.size === 0 ? settings : new Map([...session.base, ...settings]);
    const statements = settingStatements(session.applied, wanted);
    if (statements.length > 0) await session.execute(...statements);
    session.applied = wanted;
    session.settings = settings;
  }

  /** Cancels what runs on any of them. */
  async cancel(): Promise<void> {
    await Promise.all(this.open.map((session) => session.cancel()));
  }

  /** Resolves when the servers have closed. Never throws. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#opening.values());
    await Promise.all(this.open.map(async (session) => {
      // What runs would go on until it had something to say.
      if (session.busy && !session.server.stream.ended) await session.cancel();
      await session.server.end();
    }));
  }

  async #open(shard: number): Promise<ShardSession> {
    const { addresses, parameters, connectTimeout, typesOn, aside, onClosed } = this.#options;
    const server = await openServer(addresses[shard]!, { parameters, timeout: connectTimeout });
    const types = await typesOn(shard).catch(async (error: unknown) => {
      await server.end();
      throw new WireError("08001", `the types on shard ${shard} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { severity: "FATAL", cause: error });
    });
    this.#first ??= server.parameters;
    const first = this.#first;
    const differing = ALIGNED.filter((name) => first.has(name) && server.parameters.has(name) && first.get(name) !== server.parameters.get(name));
    const session = new ShardSession(shard, server, new Map(differing.map((name) => [name.toLowerCase(), first.get(name)!])), types, aside);
    this.#sessions[shard] = session;
    void server.stream.closed.then(() => {
      onClosed(session);
    });
    return session;
  }
}
