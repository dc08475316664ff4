import type { WaitingClient } from "../gate-entry.js";
import type { ClientMessages } from "./client-messages.js";
import type { ClientOutput } from "./client-output.js";

/** The client as its way through the gate needs it. */
export function waitingClient({ client, output }: { readonly client: ClientMessages; readonly output: ClientOutput }): WaitingClient {
  return {
    async read() {
      await client.peek();
      return client.take();
    },
    async write(messages) {
      for (const message of messages) output.push(message);
      await output.flush();
    },
  };
}
