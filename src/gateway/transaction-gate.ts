import type { Database } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { Drain } from "../pipelines/traffic.js";
import { WireError } from "../wire/wire-error.js";
import { counted, listed } from "../words.js";

/** How long what is made to end may take for it, in milliseconds. */
const CANCEL_TIME = 5000;

/** The servers that were in charge from some time on: each change of them is a new one. */
export interface Generation {
  /** Undefined: there is none any more. */
  readonly database: Database | undefined;
}

/** A session at the gate. */
export interface Visitor {
  /** Has to come out: what it runs is cancelled, and with a transaction open it ends with this error. */
  expel(error: WireError): void;
  /** For people: who it is. */
  readonly description: string;
}

/**
 * Where transactions begin. Each one, and each statement outside of one, enters and leaves; while somebody holds the gate,
 * those inside go on and nobody enters. Several may hold it, each by a name; it opens when none is left.
 */
export class TransactionGate {
  #generation: Generation;
  readonly #name: string;
  readonly #holders = new Set<string>();
  readonly #inside = new Set<GatePass>();
  readonly #waiting = new Set<() => void>();
  readonly #emptied = new Set<() => void>();

  /** `name`: of the database, for errors. */
  constructor(name: string, generation: Generation) {
    this.#name = name;
    this.#generation = generation;
  }

  get generation(): Generation {
    return this.#generation;
  }

  /** From now on who enters has to be of this one. */
  set generation(generation: Generation) {
    this.#generation = generation;
  }

  get held(): boolean {
    return this.#holders.size > 0;
  }

  get holders(): readonly string[] {
    return [...this.#holders];
  }

  get insideCount(): number {
    return this.#inside.size;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** A session of the present generation. */
  pass(visitor: Visitor): GatePass {
    return new GatePass(this, this.#generation, visitor, { inside: this.#inside, waiting: this.#waiting, emptied: this.#emptied });
  }

  /** Lets nobody enter from now on. */
  hold(holder: string): void {
    this.#holders.add(holder);
  }

  /** The gate opens if nobody else holds it. Without a hold nothing happens. */
  release(holder: string): void {
    if (!this.#holders.delete(holder) || this.held) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /**
   * Holds the gate and resolves when nobody is inside. Those who are may end within `drain.timeout`; then the gate opens
   * again and this fails with CUTOVER_DRAIN_TIMEOUT (`abort`), or they are made to end (`cancel`).
   */
  async pause(holder: string, drain: Drain): Promise<void> {
    this.hold(holder);
    try {
      if (await this.#empty(drain.timeout, drain.signal)) return;
      if (drain.action === "cancel") {
        for (const pass of [...this.#inside]) pass.visitor.expel(expelled(this.#name));
        if (await this.#empty(CANCEL_TIME, drain.signal)) return;
      }
      throw this.#timedOut(drain);
    } catch (error) {
      this.release(holder);
      throw error;
    }
  }

  /** False after `timeout` milliseconds; throws the signal's reason. */
  async #empty(timeout: number, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#inside.size === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    let settle!: () => void;
    try {
      await new Promise<void>((resolve) => {
        settle = resolve;
        this.#emptied.add(settle);
        signal.addEventListener("abort", settle);
        timer = setTimeout(settle, timeout);
      });
    } finally {
      clearTimeout(timer);
      this.#emptied.delete(settle);
      signal.removeEventListener("abort", settle);
    }
    signal.throwIfAborted();
    return this.#inside.size === 0;
  }

  #timedOut(drain: Drain): ReshardError {
    const names = [...this.#inside].map((pass) => pass.visitor.description);
    return new ReshardError(
      "CUTOVER_DRAIN_TIMEOUT",
      `${counted(names.length, "transaction")} of database "${this.#name}" did not end within ${drain.timeout} ms: ${listed(names, "; ")}.`,
      {
        remedy: drain.action === "abort"
          ? "Nothing was changed, and statements go on. Have these transactions end and try again, raise cutover_drain_timeout, or set cutover_drain_action = \"cancel\" to end them."
          : "Nothing was changed, and statements go on. These could not be cancelled: look at their servers' pg_stat_activity, and try again.",
      },
    );
  }
}

interface Crowd {
  readonly inside: Set<GatePass>;
  readonly waiting: Set<() => void>;
  readonly emptied: ReadonlySet<() => void>;
}

/** A session's way through the gate. */
export class GatePass {
  readonly visitor: Visitor;
  readonly #gate: TransactionGate;
  readonly #generation: Generation;
  readonly #crowd: Crowd;
  /** Ends a wait; true gives it up. */
  #wake: ((withdrawn: boolean) => void) | undefined;

  constructor(gate: TransactionGate, generation: Generation, visitor: Visitor, crowd: Crowd) {
    this.#gate = gate;
    this.#generation = generation;
    this.visitor = visitor;
    this.#crowd = crowd;
  }

  /** The gate is shut: a transaction that is about to begin would wait. */
  get mustWait(): boolean {
    return this.#gate.held;
  }

  /** The session's servers are in charge. */
  get current(): boolean {
    return this.#gate.generation === this.#generation;
  }

  /**
   * A transaction begins: true once it may, at once or when the gate opens. False: it is not to begin here, since other
   * servers are in charge (`current`) or the wait was given up.
   */
  begin(): boolean | Promise<boolean> {
    if (this.#crowd.inside.has(this)) return true;
    return this.#gate.held ? this.#wait() : this.#enter();
  }

  /** The transaction has ended, its rows are committed or gone. Without a `begin` nothing happens. */
  end(): void {
    if (this.#crowd.inside.delete(this) && this.#crowd.inside.size === 0) for (const emptied of this.#crowd.emptied) emptied();
  }

  /** Gives up a wait: `begin` resolves with false. Without one nothing happens. */
  withdraw(): void {
    this.#wake?.(true);
  }

  #enter(): boolean {
    if (!this.current) return false;
    this.#crowd.inside.add(this);
    return true;
  }

  async #wait(): Promise<boolean> {
    while (this.#gate.held) {
      let wake: (() => void) | undefined;
      const withdrawn = await new Promise<boolean>((resolve) => {
        this.#wake = resolve;
        wake = () => {
          resolve(false);
        };
        this.#crowd.waiting.add(wake);
      });
      this.#wake = undefined;
      this.#crowd.waiting.delete(wake!);
      if (withdrawn) return false;
    }
    return this.#enter();
  }
}

function expelled(database: string): WireError {
  return new WireError("57P01", "terminating connection: the database is being moved to other servers", {
    severity: "FATAL",
    detail: `The transaction was still open when the traffic of database "${database}" had to stop, and was rolled back.`,
    hint: "Connect again and repeat the transaction.",
  });
}
