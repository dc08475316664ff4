import { createServer, type AddressInfo, type Socket } from "node:net";
import { ReshardError } from "../errors.js";
import { type AcceptOptions, acceptClient, type ClientSession } from "../wire/accept-client.js";
import type { WireError } from "../wire/wire-error.js";

export interface ListenOptions extends AcceptOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Serves a client that has logged in; its connection is the callee's to close. Never rejects. */
  onClient(session: ClientSession): Promise<void>;
  onCancel(processId: number, secretKey: Buffer): Promise<void>;
  /** A client that was not let in. */
  onRefused(error: WireError, address: string | undefined): void;
}

export interface Listener {
  readonly port: number;
  /** Lets nobody else in; whoever is logging in is hung up on. Those who are served stay. */
  close(): Promise<void>;
}

/** Takes clients in. Fails with ADDRESS_IN_USE and the like. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const arriving = new Set<Socket>();
  const server = createServer({ pauseOnConnect: false, noDelay: true }, (socket) => {
    arriving.add(socket);
    // A socket's error is its closing; who reads from it hears of it there.
    socket.on("error", () => undefined);
    const peer = socket.remoteAddress;
    void acceptClient(socket, options).then(async (accepted) => {
      arriving.delete(socket);
      switch (accepted.kind) {
        case "client":
          await options.onClient(accepted.session);
          return;
        case "cancel":
          await options.onCancel(accepted.processId, accepted.secretKey);
          // The client takes the closed connection for a sign that its request was heard.
          await accepted.stream.end();
          return;
        case "refused":
          options.onRefused(accepted.error, peer);
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port }, resolve);
  }).catch((cause: unknown) => {
    throw notListening(options, cause as NodeJS.ErrnoException);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => { resolve(); });
      });
      for (const socket of arriving) socket.destroy();
      // Resolves when the last client has left; nobody waits for these here.
      void closed;
      await Promise.resolve();
    },
  };
}

function notListening({ host, port }: ListenOptions, cause: NodeJS.ErrnoException): ReshardError {
  const address = `${host}:${port}`;
  const remedy = cause.code === "EADDRINUSE" ? "Another process listens there, perhaps another pg-reshard serve. Stop it, or set another port in [general]." : "Correct host and port in [general].";
  return new ReshardError("CANNOT_LISTEN", `Cannot listen on ${address}: ${cause.message}.`, { remedy, cause });
}
