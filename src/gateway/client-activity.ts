export type ClientState = "idle" | "idle in transaction" | "active" | "waiting";

/** What a client does, and how much it has done: for SHOW CLIENTS and the time-outs. Kept by whoever serves it. */
export class ClientActivity {
  readonly connectedAt: Date = new Date();
  /** Transactions that ended, statements outside of one among them. */
  transactions = 0;
  /** Simple queries, and executions of the extended protocol. */
  queries = 0;
  errors = 0;
  /** From and to the client. */
  bytesReceived = 0;
  bytesSent = 0;
  /** What runs now was cancelled, since it took too long. */
  timedOut = false;
  #state: ClientState = "idle";
  #since = performance.now();

  get state(): ClientState {
    return this.#state;
  }

  /** Milliseconds that it has been in this state: of an active one, since what runs now was sent. */
  get stateFor(): number {
    return performance.now() - this.#since;
  }

  set(state: ClientState): void {
    this.#state = state;
    this.#since = performance.now();
    this.timedOut = false;
  }
}
