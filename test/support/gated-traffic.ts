import { ReshardError } from "../../src/errors.js";
import type { Pipeline } from "../../src/config/types.js";
import type { Drain, Side, Traffic } from "../../src/pipelines/traffic.js";

/**
 * A gate that the test's writers ask before each transaction, and the Traffic of it. It knows databases by their names, so
 * that one gate serves cutovers in both directions.
 */
export class Gate {
  /** The name of the database that is in charge. */
  inCharge: string;
  /** Called by each method of the traffic before it does anything; may throw. */
  before: (method: "pause" | "switch" | "inCharge" | "resume") => void | Promise<void> = () => undefined;
  readonly calls: string[] = [];
  /** Server processes of the writers. */
  readonly processes = new Set<number>();
  #closed = false;
  #inside = 0;
  #waiting: (() => void)[] = [];
  #left: () => void = () => undefined;

  constructor(inCharge: string) {
    this.inCharge = inCharge;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Answers with the database that is in charge, once a transaction may begin. */
  async enter(): Promise<string> {
    while (this.#closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inside++;
    return this.inCharge;
  }

  leave(): void {
    this.#inside--;
    this.#left();
  }

  trafficOf = ({ from, to }: Pipeline): Traffic => {
    const call = async (method: "pause" | "switch" | "inCharge" | "resume"): Promise<void> => {
      this.calls.push(method);
      await this.before(method);
    };
    return {
      warnings: () => Promise.resolve([`statements from ${from.name} would be refused on ${to.name}: none`]),
      pause: async (drain) => {
        await call("pause");
        await this.#pause(drain);
      },
      switch: async () => {
        await call("switch");
        if (!this.#closed || this.#inside > 0) throw new Error("switched while statements go on");
        this.inCharge = to.name;
      },
      inCharge: async (): Promise<Side> => {
        await call("inCharge");
        return this.inCharge === to.name ? "destination" : "source";
      },
      resume: async () => {
        await call("resume");
        this.#closed = false;
        for (const wake of this.#waiting.splice(0)) wake();
      },
      processesOn: () => Promise.resolve(this.processes),
    };
  };

  async #pause({ timeout, signal }: Drain): Promise<void> {
    if (signal.aborted) throw new Error("given up");
    this.#closed = true;
    if (this.#inside === 0) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => { reject(new ReshardError("CUTOVER_DRAIN_TIMEOUT", `${this.#inside} transactions are still open after ${timeout} ms.`)); }, timeout);
      signal.addEventListener("abort", () => { reject(new Error("given up")); }, { once: true });
      this.#left = () => { if (this.#inside === 0) resolve(); };
      this.#left();
      signal.addEventListener("abort", () => { clearTimeout(timer); }, { once: true });
    }).finally(() => { this.#left = () => undefined; });
  }
}
