import { backendKeyData, parameterStatus, readyForQuery } from "../wire/backend-messages.js";
import { Frontend, frontendLimits } from "../wire/message.js";
import { MessageScanner } from "../wire/message-scanner.js";
import { cancelServer, openServer, type ServerSession } from "../wire/open-server.js";
import { connectionLost } from "../wire/wire-error.js";
import type { BackendSession, ServerInUse, SessionContext } from "./backend-session.js";
import { CycleTracker } from "./cycle-tracker.js";
import { GateEntry } from "./gate-entry.js";
import { readSessionState } from "./read-session-state.js";
import { RelayFromServer } from "./relay-from-server.js";
import { restoreSessionState } from "./restore-session-state.js";
import { type SessionAtWork, SessionEnding } from "./session-ending.js";
import type { SessionState } from "./session-state.js";
import { StatementCollector } from "./statement-collector.js";
import { StatementWatch } from "./statement-watch.js";

type Outcome = "left" | "move";

/**
 * A client's session on an unsharded database: bytes go to and fro as they come, and the messages' types say when a
 * transaction begins and ends. Each direction takes as much as the other side of it is ready for.
 */
export class RelaySession implements BackendSession {
  readonly ending = new SessionEnding(() => this.#atWork());
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
  readonly #entry: GateEntry;
  #onSettled: (() => void) | undefined;

  constructor(context: SessionContext) {
    this.#context = context;
    this.#statements = new StatementCollector(this.#watch, context.onStatement);
    this.#entry = new GateEntry(context, () => this.#over);
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
      const outcome = await Promise.race([fromClient, fromServer, this.ending.failed]);
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
    if (this.#context.activity.state === "waiting") this.#entry.cancel();
    else if (this.#server !== undefined && !this.#tracker.settled) await cancelServer(this.#server);
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
    if (entry === "answers") {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
        if (this.#tracker.settled || this.#over) resolve();
      });
      return undefined;
    }
    const outcome = await this.#entry.enter(entry, this.#context.client.stream);
    return outcome === "entered" || outcome === "refused" ? undefined : outcome;
  }

  /** The server has answered. */
  #ready(): void {
    const { activity, client, pass } = this.#context;
    if (this.#tracker.status === "I") activity.transactions += 1;
    if (!this.#tracker.settled) return;
    const { idle } = this.#tracker;
    activity.set(idle ? "idle" : "idle in transaction");
    const due = this.ending.dueAfterAnswer(idle);
    if (due !== undefined) {
      this.ending.fail(due);
      return;
    }
    if (idle) {
      pass.end();
      if (this.#moving) client.stream.interrupt();
    }
    this.#onSettled?.();
  }

  #atWork(): SessionAtWork {
    const waiting = this.#context.activity.state === "waiting";
    const [server, tracker] = [this.#server, this.#tracker];
    return {
      outside: waiting || tracker.idle,
      running: !waiting && server !== undefined && !tracker.settled && !tracker.waitsForClient,
      cancel: () => {
        if (server !== undefined) void cancelServer(server);
      },
    };
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
