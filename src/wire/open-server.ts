import { createHash } from "node:crypto";
import type { ServerAddress } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import { type Authentication, type BackendKeyData, parseAuthentication, parseBackendKeyData, parseErrorResponse, parseParameterStatus } from "./backend-messages.js";
import { dialServer } from "./dial-server.js";
import { cancelRequest, passwordMessage, saslInitialResponse, saslResponse, startupMessage, terminateMessage } from "./frontend-messages.js";
import { Backend, backendLimits, type Message } from "./message.js";
import { MessageStream } from "./message-stream.js";
import { SCRAM_MECHANISM, ScramClient } from "./scram.js";
import { connectionLost, WireError } from "./wire-error.js";

/** A session on a server: logged in, idle. */
export interface ServerSession {
  readonly stream: MessageStream;
  readonly address: ServerAddress;
  /** ParameterStatus as the server told them. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly processId: number;
  readonly secretKey: Buffer;
  /** Says Terminate and closes; resolves when the server has closed: an open transaction is rolled back then. Never throws. */
  end(): Promise<void>;
}

export interface ServerOptions {
  /** Start-up parameters: `application_name`, `options`, settings by name. They are what RESET goes back to. */
  readonly parameters: Iterable<readonly [name: string, value: string]>;
  /** Milliseconds for connection and login; 0: no limit. */
  readonly timeout: number;
}

/**
 * Logs in. Fails with a `WireError`: the server's own, or 08001 where it cannot be reached.
 *
 * (The `pg` package could do it, but not with start-up parameters of one's choice, and TLS is needed for cancel requests anyway.)
 */
export async function openServer(address: ServerAddress, options: ServerOptions): Promise<ServerSession> {
  const abort = new AbortController();
  const timer = options.timeout > 0 ? setTimeout(() => { abort.abort(); }, options.timeout) : undefined;
  let stream: MessageStream | undefined;
  abort.signal.addEventListener("abort", () => stream?.destroy());
  try {
    stream = new MessageStream(await dialServer(address, abort.signal), backendLimits);
    return await new ServerLogin(stream, address).run(options.parameters);
  } catch (error) {
    stream?.destroy();
    if (!abort.signal.aborted) throw error;
    throw new WireError("08001", `${displayAddress(address)} did not let a session in within ${options.timeout} ms`, { severity: "FATAL", cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Asks the server to cancel what the process runs. Resolves when the server has heard it, or could not be reached: a cancel request has no answer. */
export async function cancelServer({ address, processId, secretKey }: Pick<ServerSession, "address" | "processId" | "secretKey">, timeout = 5000): Promise<void> {
  try {
    const stream = new MessageStream(await dialServer(address, AbortSignal.timeout(timeout)), backendLimits);
    // The server closes when it has passed the request on.
    await stream.write(cancelRequest(processId, secretKey));
    await Promise.race([stream.closed, new Promise((resolve) => setTimeout(resolve, timeout).unref())]);
    stream.destroy();
  } catch {
    // As if the request had come too late.
  }
}

class ServerLogin {
  readonly #stream: MessageStream;
  readonly #address: ServerAddress;
  readonly #parameters = new Map<string, string>();
  #key: BackendKeyData = { processId: 0, secretKey: Buffer.alloc(4) };
  #scram: ScramClient | undefined;

  constructor(stream: MessageStream, address: ServerAddress) {
    this.#stream = stream;
    this.#address = address;
  }

  async run(parameters: ServerOptions["parameters"]): Promise<ServerSession> {
    const { user, database } = this.#address;
    await this.#stream.write(startupMessage([["user", user], ["database", database], ...parameters]));
    for (;;) {
      const message = await this.#stream.read();
      if (message === undefined) throw connectionLost(`${displayAddress(this.#address)} closed the connection during the login`);
      if (message.type === Backend.readyForQuery) return this.#session();
      await this.#hear(message);
    }
  }

  async #hear(message: Message): Promise<void> {
    switch (message.type) {
      case Backend.authentication:
        await this.#authenticate(parseAuthentication(message));
        break;
      case Backend.parameterStatus: {
        const { name, value } = parseParameterStatus(message);
        this.#parameters.set(name, value);
        break;
      }
      case Backend.backendKeyData:
        this.#key = parseBackendKeyData(message);
        break;
      case Backend.errorResponse:
        throw this.#refusal(parseErrorResponse(message));
      default:
      // Notices, and the version of a server that would speak a newer one.
    }
  }

  async #authenticate(asked: Authentication): Promise<void> {
    switch (asked.kind) {
      case "ok":
        return;
      case "cleartext":
        await this.#stream.write(passwordMessage(this.#password()));
        return;
      case "md5":
        await this.#stream.write(passwordMessage(`md5${md5(md5(this.#password() + this.#address.user), asked.salt)}`));
        return;
      case "sasl":
        if (!asked.mechanisms.includes(SCRAM_MECHANISM)) throw this.#unsupported(asked.mechanisms.join(", "));
        this.#scram = new ScramClient(this.#password());
        await this.#stream.write(saslInitialResponse(SCRAM_MECHANISM, this.#scram.first()));
        return;
      case "sasl-continue":
        if (this.#scram === undefined) throw this.#unsupported("SASL without a beginning");
        await this.#stream.write(saslResponse(await this.#scram.final(asked.data)));
        return;
      case "sasl-final":
        if (this.#scram === undefined) throw this.#unsupported("SASL without a beginning");
        this.#scram.check(asked.data);
        return;
      case "other":
        throw this.#unsupported(`number ${asked.number}`);
    }
  }

  #password(): string {
    if (this.#address.password === undefined) {
      throw new WireError("08001", `${displayAddress(this.#address)} asks for a password of user "${this.#address.user}", and none is configured`, { severity: "FATAL" });
    }
    return this.#address.password;
  }

  /** That it was not let in is not the fault of whoever is served by the session, who has a password of its own. */
  #refusal(error: WireError): WireError {
    if (!error.sqlState.startsWith("28")) return error;
    return new WireError("08001", `${displayAddress(this.#address)} refused the login of user "${this.#address.user}": ${error.message}`, { severity: "FATAL", cause: error });
  }

  #unsupported(what: string): WireError {
    return new WireError("08P01", `${displayAddress(this.#address)} asks for an authentication that is not supported: ${what}`, { severity: "FATAL" });
  }

  #session(): ServerSession {
    const stream = this.#stream;
    return {
      stream,
      address: this.#address,
      parameters: this.#parameters,
      ...this.#key,
      end: async () => {
        await stream.end(terminateMessage).catch(() => undefined);
      },
    };
  }
}

function md5(text: string, salt: Buffer = Buffer.alloc(0)): string {
  return createHash("md5").update(text).update(salt).digest("hex");
}
