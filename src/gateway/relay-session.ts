import { type TransactionStatus, backendKeyData, errorResponse, parameterStatus, parseErrorResponse, parseParameterStatus, parseReadyForQuery, readyForQuery } from "../wire/backend-messages.js";
import { Backend, backendLimits, Frontend, frontendLimits, type Message } from "../wire/message.js";
import { MessageScanner } from "../wire/message-scanner.js";
import { cancelServer, openServer, type ServerSession } from "../wire/open-server.js";
import { connectionLost, WireError } from "../wire/wire-error.js";
import type { BackendSession, ServerInUse, SessionContext } from "./backend-session.js";
import { CycleTracker } from "./cycle-tracker.js";
import { readSessionState } from "./read-session-state.js";
import { restoreSessionState } from "./restore-session-state.js";
import type { SessionState } from "./session-state.js";
import { StatementCollector } from "./statement-collector.js";
import { StatementWatch } from "./statement-watch.js";

/** How long a statement that is cancelled is waited for, in milliseconds. */
const CANCEL_TIME = 1000;
/** Of a server's message of which the body is looked at. */
const LONGEST_WANTED = 64 * 1024;

type Outcome = "left" | "move";

/**
 * A client's session on an unsharded database: bytes go to and fro as they come, and the messages' types say when a
 * transaction begins and ends. Each direction takes as much as the other side of it is ready for.
 */
export class RelaySession implements BackendSession {
  readonly #context: SessionContext;
  readonly #tracker = new CycleTracker();
  readonly #watch = new StatementWatch();
  readonly #statements: StatementCollector;
  readonly #fromClient = new MessageScanner(frontendLimits);
  readonly #fromServer = new MessageScanner(backendLimits, (type, length) => READ.has(type) && length <= LONGEST_WANTED);
  #server: ServerSession | undefined;
  #moving = false;
  /** The loops are to stop. */
  #over = false;
  /** A waiting statement was cancelled. */
  #waitCancelled = false;
  /** The session ends with it, as soon as nothing runs; `always`: also outside of a transaction. */
  #ending: { readonly error: WireError; readonly always: boolean } | undefined;
  #onSettled: (() => void) | undefined;
  /** A FATAL error went on to the client. */
  #serverSaidWhy = false;
  #fail!: (error: unknown) => void;
  readonly #failed: Promise<never>;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#statements = new StatementCollector(this.#watch, context.onStatement);
    this.#failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#failed.catch(() => undefined);
  }

  get servers(): readonly ServerInUse[] {
    return this.#server === undefined ? [] : [{ address: this.#server.address, shard: 0, processId: this.#server.processId }];
  }

  get listens(): boolean {
    return this.#watch.listens;
  }

  async run(): Promise<Outcome> {
    await this.#open();
    const fromClient = this.#relayFromClient();
    const fromServer = this.#relayFromServer();
    fromClient.catch(() => undefined);
    fromServer.catch(() => undefined);
    try {
      const outcome = await Promise.race([fromClient, fromServer, this.#failed]);
      this.#stop();
      // Nothing is under way, but perhaps the end of the last answer.
      if (outcome === "move") await fromServer;
      return outcome;
    } catch (error) {
      // In the middle of a message the client would take an error for a part of it.
      if (this.#fromServer.midMessage) return "left";
      throw error;
    } finally {
      this.#stop();
    }
  }

  async state(): Promise<SessionState> {
    return await readSessionState(this.#opened, this.#watch, (notification) => {
      this.#context.client.stream.write(notification.bytes).catch(() => undefined);
    });
  }

  move(): void {
    this.#moving = true;
    if (this.#tracker.idle) this.#context.client.stream.interrupt();
  }

  async cancel(): Promise<void> {
    if (this.#context.activity.state === "waiting") {
      this.#waitCancelled = true;
      this.#context.pass.withdraw();
    } else if (this.#server !== undefined && !this.#tracker.settled) await cancelServer(this.#server);
  }

  expel(error: WireError): void {
    this.#endWith({ error, always: false });
  }

  terminate(error: WireError): void {
    this.#endWith({ error, always: true });
  }

  async end(): Promise<void> {
    this.#stop();
    const server = this.#server;
    if (server === undefined) return;
    // What runs would go on until it had something to say.
    if (!this.#tracker.settled && !server.stream.ended) await cancelServer(server);
    await server.end();
  }

  get #opened(): ServerSession {
    if (this.#server === undefined) throw connectionLost("the session has no server");
    return this.#server;
  }

  async #open(): Promise<void> {
    const { client, addresses, state, told, connectTimeout, pass } = this.#context;
    const server = await openServer(addresses[0]!, { parameters: client.parameters, timeout: connectTimeout });
    this.#server = server;
    if (state === undefined) {
      for (const [name, value] of server.parameters) told.set(name, value);
      await client.stream.write([
        ...[...told].map(([name, value]) => parameterStatus(name, value)),
        backendKeyData(client.processId, client.secretKey),
        readyForQuery("I"),
      ]);
    } else {
      const { parameters, warnings } = await restoreSessionState(server, state);
      for (const name of state.settings.keys()) if (name.includes(".")) this.#watch.add(name);
      if (state.channels.length > 0) this.#watch.see("LISTEN", true);
      const changed = [...parameters].filter(([name, value]) => told.get(name) !== value);
      for (const [name, value] of changed) told.set(name, value);
      await client.stream.write([...changed.map(([name, value]) => parameterStatus(name, value)), ...warnings]);
    }
    // Meanwhile yet others may have come.
    this.#moving = !pass.current;
    this.#context.ready();
  }

  async #relayFromClient(): Promise<Outcome> {
    const { client, activity } = this.#context;
    for (;;) {
      if (this.#moving && this.#tracker.idle && !this.#fromClient.midMessage) {
        client.stream.unread(this.#fromClient.takeHeld());
        return "move";
      }
      const chunk = await client.stream.readChunk();
      if (this.#over) return "left";
      if (chunk !== undefined) {
        activity.bytesReceived += chunk.length;
        const outcome = await this.#pass(chunk);
        if (outcome !== undefined) return outcome;
      } else if (client.stream.ended) return "left";
    }
  }

  /** Sends what came from the client on, up to where it has to wait: the rest goes back. */
  async #pass(chunk: Buffer): Promise<Outcome | undefined> {
    const scanner = this.#fromClient;
    scanner.feed(chunk);
    this.#statements.goOn(scanner);
    while (scanner.next()) {
      const { type, start } = scanner;
      if (type === Frontend.terminate) {
        await this.#send(scanner.bytes.subarray(0, start));
        return "left";
      }
      if (CycleTracker.begins(type)) {
        const entry = this.#enter();
        if (entry !== true) {
          const rest = scanner.takeBack();
          await this.#send(scanner.bytes.subarray(0, start));
          this.#context.client.stream.unread(rest);
          return await this.#wait(entry);
        }
      }
      this.#tracker.sent(type);
      this.#note(type);
    }
    await this.#send(scanner.bytes.subarray(0, scanner.position));
    return undefined;
  }

  /** A message may go on: true, or what is to be waited for. `answers`: what is in flight shows first whether a transaction is open. */
  #enter(): boolean | Promise<boolean> | "answers" {
    const { pass } = this.#context;
    if (this.#tracker.idle) return pass.begin();
    return pass.mustWait && this.#tracker.atCycleStart && !this.#tracker.settled ? "answers" : true;
  }

  async #wait(entry: false | Promise<boolean> | "answers"): Promise<Outcome | undefined> {
    const { activity, client, pass } = this.#context;
    if (entry === "answers") {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
        if (this.#tracker.settled || this.#over) resolve();
      });
      return undefined;
    }
    if (entry !== false) {
      activity.set("waiting");
      const gone = (): void => {
        pass.withdraw();
      };
      void client.stream.closed.then(gone);
      const entered = await entry;
      activity.set(entered ? "active" : "idle");
      if (entered) return undefined;
    }
    if (this.#over || client.stream.ended) return "left";
    if (this.#waitCancelled) {
      this.#waitCancelled = false;
      return await this.#refuseCycle();
    }
    return "move";
  }

  /** The client's next cycle is answered with the error of a statement that was cancelled; it reaches no server. */
  async #refuseCycle(): Promise<Outcome | undefined> {
    const { stream } = this.#context.client;
    for (;;) {
      const message = await stream.read();
      if (message === undefined) {
        if (stream.ended || this.#over) return "left";
        continue;
      }
      if (message.type === Frontend.terminate) return "left";
      if (message.type !== Frontend.query && message.type !== Frontend.sync && message.type !== Frontend.functionCall) continue;
      await stream.write([errorResponse(new WireError("57014", "canceling statement due to user request")), readyForQuery("I")]);
      return undefined;
    }
  }

  async #relayFromServer(): Promise<Outcome> {
    const { client, activity } = this.#context;
    const { stream } = this.#opened;
    const scanner = this.#fromServer;
    for (;;) {
      if (this.#over && !scanner.midMessage) {
        stream.unread(scanner.takeHeld());
        return "move";
      }
      const chunk = await stream.readChunk();
      if (chunk === undefined) {
        if (!stream.ended) continue;
        if (this.#serverSaidWhy) return "left";
        throw connectionLost("the server closed the connection unexpectedly");
      }
      scanner.feed(chunk);
      while (scanner.next()) this.#hear(scanner.type, scanner.message);
      const bytes = scanner.bytes.subarray(0, scanner.position);
      activity.bytesSent += bytes.length;
      if (bytes.length > 0) await client.stream.write(bytes);
    }
  }

  #hear(type: number, message: Message | undefined): void {
    const { activity, told } = this.#context;
    if (!READ.has(type)) return;
    switch (type) {
      case Backend.readyForQuery:
        this.#ready(parseReadyForQuery(message!));
        return;
      case Backend.parameterStatus:
        if (message !== undefined) {
          const { name, value } = parseParameterStatus(message);
          told.set(name, value);
        }
        return;
      case Backend.errorResponse:
        activity.errors += 1;
        if (message !== undefined && parseErrorResponse(message).fatal) this.#serverSaidWhy = true;
        break;
      default:
    }
    this.#tracker.heard(type);
  }

  #ready(status: TransactionStatus): void {
    const { activity, client, pass } = this.#context;
    this.#tracker.heard(Backend.readyForQuery, status);
    if (status === "I") activity.transactions += 1;
    if (!this.#tracker.settled) return;
    const { idle } = this.#tracker;
    activity.set(idle ? "idle" : "idle in transaction");
    if (this.#ending !== undefined && (!idle || this.#ending.always)) {
      this.#fail(this.#ending.error);
      return;
    }
    if (idle) {
      this.#ending = undefined;
      pass.end();
      if (this.#moving) client.stream.interrupt();
    }
    this.#onSettled?.();
  }

  #endWith(ending: { readonly error: WireError; readonly always: boolean }): void {
    const waiting = this.#context.activity.state === "waiting";
    if (!ending.always && (waiting || this.#tracker.idle)) return;
    this.#ending = ending;
    if (waiting || this.#server === undefined || this.#tracker.settled || this.#tracker.waitsForClient) {
      this.#fail(ending.error);
      return;
    }
    void cancelServer(this.#server);
    // It may be that the client does not take its answer.
    setTimeout(() => {
      if (this.#ending === ending) this.#fail(ending.error);
    }, CANCEL_TIME).unref();
  }

  #note(type: number): void {
    const { activity } = this.#context;
    if (type === Frontend.query || type === Frontend.execute || type === Frontend.functionCall) activity.queries += 1;
    if (activity.state !== "active" || type === Frontend.query || type === Frontend.sync) activity.set("active");
    this.#statements.begin(this.#fromClient);
  }

  async #send(bytes: Buffer): Promise<void> {
    if (bytes.length > 0) await this.#opened.stream.write(bytes);
  }

  #stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.pass.withdraw();
    this.#context.client.stream.interrupt();
    this.#server?.stream.interrupt();
    this.#onSettled?.();
  }
}

/** Messages of a server that say something about the session. */
const READ: ReadonlySet<number> = new Set([Backend.readyForQuery, Backend.parameterStatus, Backend.errorResponse, Backend.copyInResponse]);

