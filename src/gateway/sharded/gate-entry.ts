import { errorResponse, readyForQuery } from "../../wire/backend-messages.js";
import { Frontend } from "../../wire/message.js";
import type { SessionContext } from "../backend-session.js";
import type { ClientMessages } from "./client-messages.js";
import type { ClientOutput } from "./client-output.js";
import { failure } from "./failure.js";

/**
 * - `entered`: the client's next cycle begins.
 * - `refused`: it was cancelled while it waited, and is answered.
 * - `left`, `move`: as `BackendSession.run`.
 */
export type Entry = "entered" | "refused" | "left" | "move";

/** A client's way through its database's gate, with each transaction that it begins. */
export class GateEntry {
  readonly #context: SessionContext;
  readonly #isOver: () => boolean;
  #cancelled = false;

  /** `isOver`: nobody is to enter any more. */
  constructor(context: SessionContext, isOver: () => boolean) {
    this.#context = context;
    this.#isOver = isOver;
  }

  /** A message that begins something has come; it is the next. */
  async enter(client: ClientMessages, output: ClientOutput): Promise<Entry> {
    const { activity, client: { stream }, pass } = this.#context;
    this.#cancelled = false;
    const entry = pass.begin();
    if (entry === true) return "entered";
    if (entry !== false) {
      activity.set("waiting");
      void stream.closed.then(() => {
        pass.withdraw();
      });
      const entered = await entry;
      activity.set(entered ? "active" : "idle");
      if (entered) return "entered";
    }
    if (this.#isOver() || stream.ended) return "left";
    return this.#wasCancelled() ? await this.#refuse(client, output) : "move";
  }

  /** A cycle that waits is given up. */
  cancel(): void {
    this.#cancelled = true;
    this.#context.pass.withdraw();
  }

  #wasCancelled(): boolean {
    return this.#cancelled;
  }

  /** The client's next cycle is answered with the error of a statement that was cancelled; it reaches no server. */
  async #refuse(client: ClientMessages, output: ClientOutput): Promise<"refused" | "left"> {
    for (;;) {
      const message = await client.peek();
      if (message === undefined) {
        if (client.ended || this.#isOver()) return "left";
        continue;
      }
      if (message.type === Frontend.terminate) return "left";
      client.take();
      if (message.type !== Frontend.query && message.type !== Frontend.sync && message.type !== Frontend.functionCall) continue;
      output.push(errorResponse(failure("57014", "canceling statement due to user request")));
      output.push(readyForQuery("I"));
      await output.flush();
      return "refused";
    }
  }
}
