import type { Random } from "../../src/demo/random.js";
import type { Steps } from "./stepped-sink.js";

/** Two transactions wait for one another. A server would end one of them, to be tried again; nothing here may come to that. */
export class Deadlock extends Error {}

/** lock_timeout. */
class LockTimeout extends Error {
  readonly code = "55P03";
}

/** Locks that transactions of one server take and hold until they end. */
export class Locks<Holder extends object> {
  readonly #random: Random;
  readonly #holders = new Map<string, Holder>();
  readonly #waiting = new Map<Holder, string>();
  readonly #kept = new Map<Holder, ReadonlySet<string>>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param timeout the wait may last too long */
  *take(name: string, holder: Holder, timeout: boolean): Steps<void> {
    for (;;) {
      const other = this.#holders.get(name);
      if (other === undefined || other === holder) break;
      this.#waiting.set(holder, name);
      if (this.#waitsFor(other, holder)) throw new Deadlock(`for ${name}`);
      yield;
      if (timeout && this.#random.integer(1, 300) === 1) throw new LockTimeout(name);
    }
    this.#waiting.delete(holder);
    this.#holders.set(name, holder);
  }

  savepoint(holder: Holder): void {
    if (this.#holders.size > 0) this.#kept.set(holder, new Set(this.#heldBy(holder)));
  }

  releaseToSavepoint(holder: Holder): void {
    for (const name of this.#heldBy(holder)) if (this.#kept.get(holder)?.has(name) !== true) this.#holders.delete(name);
  }

  release(holder: Holder): void {
    if (this.#holders.size === 0 && this.#waiting.size === 0) return;
    for (const name of this.#heldBy(holder)) this.#holders.delete(name);
    this.#waiting.delete(holder);
    this.#kept.delete(holder);
  }

  #heldBy(holder: Holder): string[] {
    return [...this.#holders].flatMap(([name, other]) => (other === holder ? [name] : []));
  }

  /** Directly or through others. */
  #waitsFor(waiter: Holder, holder: Holder): boolean {
    const name = this.#waiting.get(waiter);
    const next = name === undefined ? undefined : this.#holders.get(name);
    return next !== undefined && (next === holder || this.#waitsFor(next, holder));
  }
}
