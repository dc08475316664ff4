import { randomBytes, randomInt } from "node:crypto";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type SecureContext, TLSSocket } from "node:tls";
import { authenticateClient, type AuthenticationMethod } from "./authenticate-client.js";
import { errorResponse, negotiateProtocolVersion } from "./backend-messages.js";
import { parseStartup, type StartupPacket } from "./frontend-messages.js";
import { frontendLimits, loginLimits, protocolViolation } from "./message.js";
import { MessageStream } from "./message-stream.js";
import { connectionLost, WireError } from "./wire-error.js";

/** A client that has logged in: it was told AuthenticationOk, and waits for ParameterStatus, BackendKeyData and ReadyForQuery. */
export interface ClientSession {
  readonly stream: MessageStream;
  readonly user: string;
  readonly database: string;
  /** Start-up parameters but for user and database: `application_name`, `options`, `client_encoding`, `search_path` … */
  readonly parameters: ReadonlyMap<string, string>;
  /** What a CancelRequest for this client has to say; no other client of this process has the same number. */
  readonly processId: number;
  readonly secretKey: Buffer;
  /** TLS. */
  readonly secure: boolean;
  /** Of the peer; undefined where it has none (a Unix socket). */
  readonly address: string | undefined;
  readonly port: number | undefined;
}

export interface AcceptOptions {
  readonly method: AuthenticationMethod;
  /**
   * The passwords of which a user has to know one (under `trust`: none, []). Undefined: there is no such user, and it is refused with 28P01.
   * A database that there is not is none of this: whoever serves the session says 3D000, after the login as PostgreSQL does.
   */
  passwordsOf(user: string, database: string): readonly string[] | undefined | Promise<readonly string[] | undefined>;
  /** From `tls.createSecureContext`; undefined: TLS is declined. */
  readonly tls: SecureContext | undefined;
  /** Who comes without TLS is refused. */
  readonly requireTls: boolean;
  /** Milliseconds; PostgreSQL's authentication_timeout is 60,000. */
  readonly loginTimeout: number;
}

export type Accepted =
  | { readonly kind: "client"; readonly session: ClientSession }
  /** The client waits for the connection to be closed (`stream.end`), by which it sees that its request was heard. */
  | { readonly kind: "cancel"; readonly processId: number; readonly secretKey: Buffer; readonly stream: MessageStream }
  /** It was told why, and its connection is closed. 08006: it left by itself. */
  | { readonly kind: "refused"; readonly error: WireError };

/** The newest minor version of protocol 3 that is spoken here. */
const MINOR = 0;
/** What a TLS connection begins with: a handshake record. */
const TLS_HANDSHAKE = 0x16;

let lastProcessId = randomInt(1, 2 ** 30);

/** Lets a client in, up to AuthenticationOk. Never throws: whatever comes, the worst is that this connection is closed. */
export async function acceptClient(socket: Socket, options: AcceptOptions): Promise<Accepted> {
  const login = new Login(socket, options);
  const timer = setTimeout(() => {
    login.expire();
  }, options.loginTimeout);
  try {
    return await login.run();
  } catch (error) {
    const told = error instanceof WireError ? error : new WireError("XX000", "the login failed", { severity: "FATAL", cause: error });
    await login.refuse(told);
    return { kind: "refused", error: told };
  } finally {
    clearTimeout(timer);
  }
}

class Login {
  readonly #socket: Socket;
  readonly #options: AcceptOptions;
  readonly #address: string | undefined;
  readonly #port: number | undefined;
  /** The innermost: TLS, once there is. */
  #duplex: Duplex;
  #stream: MessageStream | undefined;
  #secure = false;
  #expired = false;

  constructor(socket: Socket, options: AcceptOptions) {
    this.#socket = socket;
    this.#duplex = socket;
    this.#options = options;
    this.#address = socket.remoteAddress;
    this.#port = socket.remotePort;
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
  }

  async run(): Promise<Accepted> {
    await until(this.#socket, "readable", this.#socket).catch((cause: unknown) => {
      throw connectionLost("the client left before its login", cause);
    });
    const { tls } = this.#options;
    // TLS without asking (sslnegotiation=direct).
    if (tls !== undefined && firstByte(this.#socket) === TLS_HANDSHAKE) await this.#secureWith(tls, true);
    let stream = this.#open();
    for (;;) {
      const packet = await stream.readStartup();
      if (packet === undefined) throw connectionLost("the client left before its login");
      const startup = parseStartup(packet);
      switch (startup.kind) {
        case "gss":
          await stream.write(Buffer.from("N"));
          break;
        case "ssl":
          if (this.#secure) throw protocolViolation("the connection is encrypted already");
          if (tls === undefined) {
            await stream.write(Buffer.from("N"));
          } else {
            this.#duplex = stream.detach();
            this.#socket.write("S");
            await this.#secureWith(tls, false);
            stream = this.#open();
          }
          break;
        case "cancel":
          return { ...startup, stream };
        case "startup":
          return { kind: "client", session: await this.#admit(stream, startup) };
      }
    }
  }

  expire(): void {
    this.#expired = true;
    // Whoever waits for the client wakes up with an error.
    if (this.#stream === undefined) this.#socket.destroy();
    else void this.refuse(new WireError("57014", "canceling authentication due to timeout", { severity: "FATAL" }));
  }

  async refuse(error: WireError): Promise<void> {
    if (this.#stream === undefined) this.#socket.destroy();
    else await this.#stream.end(this.#expired && error.sqlState === "08006" ? undefined : errorResponse(error));
  }

  async #admit(stream: MessageStream, startup: StartupPacket & { kind: "startup" }): Promise<ClientSession> {
    const { user, database, parameters } = startup;
    if (user === "") throw new WireError("28000", "no PostgreSQL user name specified in startup packet", { severity: "FATAL" });
    if (startup.minor > MINOR || startup.extensions.length > 0) await stream.write(negotiateProtocolVersion(MINOR, startup.extensions));
    if (this.#options.requireTls && !this.#secure) throw new WireError("28000", `user "${user}" has to connect with TLS`, { severity: "FATAL", hint: "Set sslmode=require." });
    await authenticateClient(stream, this.#options.method, user, await this.#options.passwordsOf(user, database));
    stream.limits = frontendLimits;
    lastProcessId = (lastProcessId % (2 ** 31 - 1)) + 1;
    return { stream, user, database, parameters, processId: lastProcessId, secretKey: randomBytes(4), secure: this.#secure, address: this.#address, port: this.#port };
  }

  #open(): MessageStream {
    this.#stream = new MessageStream(this.#duplex, loginLimits);
    return this.#stream;
  }

  async #secureWith(secureContext: SecureContext, direct: boolean): Promise<void> {
    // Broken, it is closed with nothing to say.
    this.#stream = undefined;
    const secured = new TLSSocket(this.#socket, { isServer: true, secureContext, ...(direct ? { ALPNProtocols: ["postgresql"] } : {}) });
    try {
      await until(secured, "secure", this.#socket);
    } catch (cause) {
      throw protocolViolation(`the TLS handshake failed: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
    this.#duplex = secured;
    this.#secure = true;
  }
}

/** Resolves at the event; rejects where the socket is closed before. Errors of `emitter` have a listener from then on. */
async function until(emitter: Duplex, event: "readable" | "secure", socket: Socket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    emitter.on("error", reject);
    emitter.once(event, resolve);
    socket.once("close", () => {
      reject(connectionLost("the client left before its login"));
    });
  });
}

/** Looks at what has come and leaves it there. */
function firstByte(socket: Socket): number | undefined {
  const bytes = socket.read() as Buffer | null;
  if (bytes === null) return undefined;
  socket.unshift(bytes);
  return bytes[0];
}
