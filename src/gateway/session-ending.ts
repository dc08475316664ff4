import type { WireError } from "../wire/wire-error.js";
import type { EndedByOthers } from "./backend-session.js";

/** How long a statement that is cancelled is waited for, in milliseconds. */
const CANCEL_TIME = 1000;

/** What a session does now, as far as it matters to who wants its end. */
export interface SessionAtWork {
  /** No transaction is open and nothing is under way; or what is to begin waits at the gate. */
  readonly outside: boolean;
  /** Its servers are at something that they will answer. */
  readonly running: boolean;
  /** Cancels that. */
  cancel(): void;
}

/** How a session comes to an end that others want, or that befalls it. */
export class SessionEnding implements EndedByOthers {
  /** Rejects with what the session ends with. */
  readonly failed: Promise<never>;
  readonly #atWork: () => SessionAtWork;
  #fail!: (error: unknown) => void;
  /** The session ends with it as soon as nothing runs; `always`: also outside of a transaction. */
  #wanted: { readonly error: WireError; readonly always: boolean } | undefined;

  constructor(atWork: () => SessionAtWork) {
    this.#atWork = atWork;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined);
  }

  /** It ends with this, now. */
  fail(error: unknown): void {
    this.#fail(error);
  }

  expel(error: WireError): void {
    const session = this.#atWork();
    if (!session.outside) this.#end({ error, always: false }, session);
  }

  terminate(error: WireError): void {
    this.#end({ error, always: true }, this.#atWork());
  }

  /**
   * Servers have answered all that was asked of them.
   *
   * @param idle no transaction is open: who was expelled goes on then
   * @returns what the session is to end with now
   */
  dueAfterAnswer(idle: boolean): WireError | undefined {
    const wanted = this.#wanted;
    if (wanted !== undefined && (!idle || wanted.always)) return wanted.error;
    this.#wanted = undefined;
    return undefined;
  }

  #end(wanted: { readonly error: WireError; readonly always: boolean }, session: SessionAtWork): void {
    this.#wanted = wanted;
    if (!session.running) {
      this.#fail(wanted.error);
      return;
    }
    session.cancel();
    // It may be that the client does not take its answer, or has not said all of what it began.
    setTimeout(() => {
      if (this.#wanted === wanted) this.#fail(wanted.error);
    }, CANCEL_TIME).unref();
  }
}
