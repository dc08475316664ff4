import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import type { ServerAddress } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import { sslRequest } from "./frontend-messages.js";
import { WireError } from "./wire-error.js";

/**
 * A connection to a server, encrypted as its `sslmode` says, with nothing said yet. Fails with a `WireError` 08001.
 *
 * @param signal - gives up.
 */
export async function dialServer(address: ServerAddress, signal: AbortSignal): Promise<Socket> {
  let socket: Socket | undefined;
  const stop = (): void => {
    socket?.destroy();
  };
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    socket = address.host.startsWith("/") ? connect(`${address.host}/.s.PGSQL.${address.port}`) : connect(address.port, address.host);
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    await until(socket, "connect");
    if (address.sslmode === "disable" || address.host.startsWith("/")) return socket;
    socket.write(sslRequest());
    const answer = await readByte(socket);
    if (answer === "S") {
      const plain = socket;
      socket = connectTls({ socket: plain, ...tlsOptions(address) });
      await until(socket, "secureConnect");
    } else if (answer !== "N" || address.sslmode !== "prefer") {
      throw new Error("the server does not support TLS");
    }
    return socket;
  } catch (cause) {
    socket?.destroy();
    const reason = signal.aborted ? "the server did not answer in time" : reasonOf(cause);
    throw new WireError("08001", `cannot connect to ${displayAddress(address)}: ${reason}`, { severity: "FATAL", cause });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** As postgres/connection.ts has them for sessions of our own. */
function tlsOptions({ host, sslmode }: ServerAddress): ConnectionOptions {
  return {
    host,
    rejectUnauthorized: sslmode === "verify-ca" || sslmode === "verify-full",
    ...(sslmode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
    // An IP address is no server name (RFC 6066, section 3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
  };
}

async function until(socket: Socket, event: "connect" | "secureConnect" | "readable"): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // Stays: errors that come later are for whoever owns the socket then, and without a listener Node would end the process.
    socket.on("error", reject);
    const closed = (): void => {
      reject(new Error("the connection was closed"));
    };
    socket.once("close", closed);
    socket.once(event, () => {
      socket.off("close", closed);
      resolve();
    });
  });
}

/** One byte, and no more: what came unencrypted behind it must not be read as encrypted. */
async function readByte(socket: Socket): Promise<string> {
  for (;;) {
    const bytes = socket.read() as Buffer | null;
    if (bytes !== null) {
      if (bytes.length > 1) throw new Error("received unencrypted data after SSL response");
      return bytes.toString("latin1");
    }
    if (socket.readableEnded) throw new Error("the connection was closed");
    await until(socket, "readable");
  }
}
