import type { Database, ServerAddress } from "../config/types.js";
import type { ClientSession } from "../wire/accept-client.js";
import type { WireError } from "../wire/wire-error.js";
import type { ClientActivity } from "./client-activity.js";
import type { SessionState } from "./session-state.js";
import type { GatePass } from "./transaction-gate.js";

/**
 * A client's session on a database's servers, until the client leaves or other servers are in charge: the relay of an
 * unsharded database, the executor of a sharded one.
 *
 * Made from a `SessionContext`. The session opens its servers and restores the context's state in `run`, and tells the client what it waits for.
 */
export interface BackendSession {
  /**
   * Serves the client.
   *
   * - `left`: the client said Terminate or is gone.
   * - `move`: other servers are in charge. No transaction is open, nothing is in flight, and of the client's messages those
   *   that were not answered are in its stream again (`unread`). `state` and `end` come next.
   *
   * Throws a `WireError` that the client is to be told before its connection is closed; the owner does both, and calls `end`.
   */
  run(): Promise<"left" | "move">;
  /** After `move`: what the next session has to restore. Throws a `WireError` 57P01 for what cannot be moved: temporary tables and so on. */
  state(): Promise<SessionState>;
  /** `run` is to end with `move` as soon as the session is idle: now, if it is. Before it would serve the client's next message, whether that has come or not. */
  move(): void;
  /** Cancels what the servers run for the client now. Never throws. */
  cancel(): Promise<void>;
  /** Ends `run` before the client does. */
  readonly ending: EndedByOthers;
  /** Closes the server sessions. Resolves when the servers have closed them: open transactions are rolled back then. Never throws. */
  end(): Promise<void>;
  /** It may listen to channels: it is moved before others go on, so that it misses nothing. */
  readonly listens: boolean;
  /** The server sessions that are open. */
  readonly servers: readonly ServerInUse[];
}

export interface EndedByOthers {
  /** Cancels what runs; a transaction that is open then ends the session: `run` throws `error`. Outside of one it goes on. */
  expel(error: WireError): void;
  /** Cancels what runs, then `run` throws `error`. */
  terminate(error: WireError): void;
}

export interface ServerInUse {
  readonly address: ServerAddress;
  readonly shard: number;
  readonly processId: number;
}

export interface SessionContext {
  readonly client: ClientSession;
  readonly database: Database;
  /** The primary of each shard, with the login that is this client's. */
  readonly addresses: readonly ServerAddress[];
  /** Every transaction, and every statement outside of one, begins and ends here. */
  readonly pass: GatePass;
  /** To restore. Undefined: the session is the client's first, and has to tell it ParameterStatus, its key and ReadyForQuery. */
  readonly state: SessionState | undefined;
  /** ParameterStatus as the client was told; kept current by the session, so that the next tells what differs. */
  readonly told: Map<string, string>;
  readonly activity: ClientActivity;
  /** To be called once the session serves its client: its servers are known and the state is restored. */
  ready(): void;
  /** Milliseconds for a server to let the session in; 0: no limit. */
  readonly connectTimeout: number;
  /** Hears the text of each Query and Parse message; undefined: nobody does. Called off the hot path. */
  readonly onStatement: ((text: string) => void) | undefined;
}

export type BackendSessionFactory = (context: SessionContext) => BackendSession;
