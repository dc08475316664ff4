import { backendKeyData, errorResponse, parameterStatus, readyForQuery } from "../wire/backend-messages.js";
import { Frontend, frontendLimits } from "../wire/message.js";
import { MessageScanner } from "../wire/message-scanner.js";
import { cancelServer, openServer, type ServerSession } from "../wire/open-server.js";
import { connectionLost, WireError } from "../wire/wire-error.js";
import type { BackendSession, ServerInUse, SessionContext } from "./backend-session.js";
import { CycleTracker } from "./cycle-tracker.js";
import { readSessionState } from "./read-session-state.js";
import { RelayFromServer } from "./relay-from-server.js";
import { restoreSessionState } from "./restore-session-state.js";
import type { SessionState } from "./session-state.js";
import { StatementCollector } from "./statement-collector.js";
import { StatementWatch } from "./statement-watch.js";

/** How long a statement that is cancelled is waited for, in milliseconds. */
const CANCEL_TIME = 1000;

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
  #server: ServerSession | undefined;
  #fromServer: RelayFromServer | undefined;
  #moving = false;
  /** The loops are to stop. */
  #over = false;
  /** A waiting statement was cancelled. */
  #waitCancelled = false;
  /** The session ends with it, as soon as nothing runs; `always`: also outside of a transaction. */
  #ending: { readonly error: WireError; readonly always: boolean } | undefined;
  #onSettled: (() => void) | undefined;
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
    const server = await this.#open();
    this.#fromServer = new RelayFromServer(this.#context, server, this.#tracker, () => {
      this.#ready();
    });
    const fromClient = this.#relayFromClient();
    // Left to itself it ends when the server has said why.
    const fromServer = this.#fromServer.run().then((): Outcome => "left");
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

  async #open(): Promise<ServerSession> {
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
      if (state.statements.some((statement) => statement.kind === "parse" && statement.resultTypes !== undefined)) this.#watch.seeBind(undefined);
      const changed = [...parameters].filter(([name, value]) => told.get(name) !== value);
      for (const [name, value] of changed) told.set(name, value);
      await client.stream.write([...changed.map(([name, value]) => parameterStatus(name, value)), ...warnings]);
    }
    // Meanwhile yet others may have come.
    this.#moving = !pass.current;
    this.#context.ready();
    return server;
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

  /** The server has answered. */
  #ready(): void {
    const { activity, client, pass } = this.#context;
    if (this.#tracker.status === "I") activity.transactions += 1;
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
    this.#fromServer?.stop();
    this.#onSettled?.();
  }
}
