import { errorResponse, readyForQuery } from "../wire/backend-messages.js";
import { Frontend, type Message } from "../wire/message.js";
import { WireError } from "../wire/wire-error.js";
import type { SessionContext } from "./backend-session.js";

/**
 * - `entered`: the client's next cycle begins.
 * - `refused`: it was cancelled while it waited, and is answered.
 * - `left`, `move`: as `BackendSession.run`.
 */
export type Entry = "entered" | "refused" | "left" | "move";

/** A client whose next cycle may be refused. */
export interface WaitingClient {
  /** Its next message, taken. Undefined: it is gone, or its stream was interrupted. */
  read(): Promise<Message | undefined>;
  write(messages: readonly Buffer[]): Promise<void>;
}

/** A client's way through its database's gate, with each transaction that it begins. */
export class GateEntry {
  readonly #context: Pick<SessionContext, "activity" | "client" | "pass">;
  readonly #isOver: () => boolean;
  #cancelled = false;

  /** `isOver`: nobody is to enter any more. */
  constructor(context: Pick<SessionContext, "activity" | "client" | "pass">, isOver: () => boolean) {
    this.#context = context;
    this.#isOver = isOver;
  }

  /** @param begun what `GatePass.begin` said when a message came that begins something; the client has it still to be read */
  async enter(begun: boolean | Promise<boolean>, client: WaitingClient): Promise<Entry> {
    if (begun === true) return "entered";
    const { activity, client: { stream }, pass } = this.#context;
    this.#cancelled = false;
    if (begun !== false) {
      activity.set("waiting");
      void stream.closed.then(() => {
        pass.withdraw();
      });
      const entered = await begun;
      activity.set(entered ? "active" : "idle");
      if (entered) return "entered";
    }
    if (this.#isOver() || stream.ended) return "left";
    return this.#wasCancelled() ? await this.#refuse(client) : "move";
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
  async #refuse(client: WaitingClient): Promise<"refused" | "left"> {
    for (;;) {
      const message = await client.read();
      if (message === undefined) {
        if (this.#context.client.stream.ended || this.#isOver()) return "left";
        continue;
      }
      if (message.type === Frontend.terminate) return "left";
      if (message.type !== Frontend.query && message.type !== Frontend.sync && message.type !== Frontend.functionCall) continue;
      await client.write([errorResponse(new WireError("57014", "canceling statement due to user request")), readyForQuery("I")]);
      return "refused";
    }
  }
}
