import { parseErrorResponse, parseParameterStatus, parseReadyForQuery } from "../wire/backend-messages.js";
import { Backend, backendLimits, type Message } from "../wire/message.js";
import { MessageScanner } from "../wire/message-scanner.js";
import type { ServerSession } from "../wire/open-server.js";
import { connectionLost } from "../wire/wire-error.js";
import type { SessionContext } from "./backend-session.js";
import type { CycleTracker } from "./cycle-tracker.js";

/** Messages that say something about the session. */
const READ: ReadonlySet<number> = new Set([Backend.readyForQuery, Backend.parameterStatus, Backend.errorResponse, Backend.copyInResponse]);
/** Of these the body is looked at, unless it is longer. */
const LONGEST_READ = 64 * 1024;

/** One direction of a relay: what the server says, on to the client. */
export class RelayFromServer {
  readonly #context: SessionContext;
  readonly #server: ServerSession;
  readonly #tracker: CycleTracker;
  readonly #onReady: () => void;
  readonly #scanner = new MessageScanner(backendLimits, (type, length) => READ.has(type) && length <= LONGEST_READ);
  #stopping = false;
  /** A FATAL error went on to the client. */
  #saidWhy = false;

  /** `onReady` is called at each ReadyForQuery, when the tracker has heard it. */
  constructor(context: SessionContext, server: ServerSession, tracker: CycleTracker, onReady: () => void) {
    this.#context = context;
    this.#server = server;
    this.#tracker = tracker;
    this.#onReady = onReady;
  }

  /** The client has the beginning of a message and not its end. */
  get midMessage(): boolean {
    return this.#scanner.midMessage;
  }

  /** `run` is to end, at the end of a message. */
  stop(): void {
    this.#stopping = true;
    this.#server.stream.interrupt();
  }

  /** Resolves when it was stopped, or when the server has closed with a FATAL error, which the client was told. Fails where it closed without. */
  async run(): Promise<void> {
    const { client, activity } = this.#context;
    const { stream } = this.#server;
    const scanner = this.#scanner;
    for (;;) {
      if (this.#stopping && !scanner.midMessage) {
        stream.unread(scanner.takeHeld());
        return;
      }
      const chunk = await stream.readChunk();
      if (chunk === undefined) {
        if (!stream.ended) continue;
        if (this.#saidWhy) return;
        throw connectionLost("the server closed the connection unexpectedly");
      }
      scanner.feed(chunk);
      while (scanner.next()) if (READ.has(scanner.type)) this.#hear(scanner.type, scanner.message);
      const bytes = scanner.bytes.subarray(0, scanner.position);
      activity.bytesSent += bytes.length;
      if (bytes.length > 0) await client.stream.write(bytes);
    }
  }

  /** Without the message it was too long. */
  #hear(type: number, message: Message | undefined): void {
    switch (type) {
      case Backend.readyForQuery:
        this.#tracker.heard(type, message === undefined ? undefined : parseReadyForQuery(message));
        this.#onReady();
        return;
      case Backend.parameterStatus:
        if (message !== undefined) {
          const { name, value } = parseParameterStatus(message);
          this.#context.told.set(name, value);
        }
        return;
      case Backend.errorResponse:
        this.#context.activity.errors += 1;
        if (message !== undefined && parseErrorResponse(message).fatal) this.#saidWhy = true;
        break;
      default:
    }
    this.#tracker.heard(type);
  }
}
