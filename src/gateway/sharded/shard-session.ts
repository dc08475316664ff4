import { parseErrorResponse, parseReadyForQuery, type TransactionStatus } from "../../wire/backend-messages.js";
import { bindMessage, closeMessage, executeMessage, parseMessage, queryMessage, syncMessage } from "../../wire/frontend-messages.js";
import { Backend, type Message } from "../../wire/message.js";
import { cancelServer, type ServerSession } from "../../wire/open-server.js";
import { WireError } from "../../wire/wire-error.js";
import type { ServerInUse } from "../backend-session.js";
import { askInText, type TextAnswer } from "./ask-in-text.js";
import { shardLost } from "./shard-lost.js";
import type { TypeMap } from "./user-types.js";

/** Hears what a server says by itself: notices, settings that have changed, notifications. */
export type Aside = (shard: ShardSession, message: Message) => void;

/**
 * A client's session on one shard. Messages are queued and go out with a Sync; then what comes back is asked for, one
 * message after another, up to ReadyForQuery.
 */
export class ShardSession implements ServerInUse {
  readonly shard: number;
  readonly server: ServerSession;
  /** Settings that it has whatever the client sets: the first shard's defaults, where its own are others. */
  readonly base: ReadonlyMap<string, string>;
  readonly types: TypeMap;
  /** What has been set on it. */
  applied: ReadonlyMap<string, string> = new Map();
  /** The client's settings that it has been brought to; undefined: perhaps not to the present ones. */
  settings: ReadonlyMap<string, string> | undefined;
  /** Statements that it knows, by the names that they have here. */
  readonly prepared = new Set<string>();
  /** It takes part in the transaction that is open. */
  joined = false;
  /** It has changed something in the transaction. */
  written = false;
  /** What it has done in the transaction cannot be prepared (PREPARE TRANSACTION): notifications, cursors WITH HOLD. */
  unpreparable = false;
  /** Waits for locks are limited in the transaction. */
  limited = false;
  status: TransactionStatus = "I";
  readonly #aside: Aside;
  /** Statements that it perhaps knows. */
  readonly #unsure = new Set<string>();
  #queue: Buffer[] = [];
  #forgotten: Buffer[] = [];
  /** Statements of our own at the head of what was sent: their answers are nobody's. */
  #own = 0;
  /** Statements that are closed before them. */
  #closing = 0;
  #failed = false;
  /** Its last words. */
  #said: WireError | undefined;
  /** Was looked at, and is the next. */
  #peeked: Message | undefined;
  /** ReadyForQuery that are to come. */
  #expected = 0;
  #cancelling: Promise<void> | undefined;

  constructor(shard: number, server: ServerSession, base: ReadonlyMap<string, string>, types: TypeMap, aside: Aside) {
    this.shard = shard;
    this.server = server;
    this.base = base;
    this.types = types;
    this.#aside = aside;
  }

  get address(): ServerInUse["address"] {
    return this.server.address;
  }

  get processId(): number {
    return this.server.processId;
  }

  /** Its answer was an error, and not all of it has been read. */
  get failed(): boolean {
    return this.busy && this.#failed;
  }

  /** Something was sent and is not answered. */
  get busy(): boolean {
    return this.#expected > 0;
  }

  /** Messages for the next `sync`. */
  queue(...messages: readonly Buffer[]): void {
    this.#queue.push(...messages);
  }

  /** A statement of our own, before all that is the client's. If it fails, nothing of the rest is run. */
  queueOwn(sql: string): void {
    this.#own++;
    // The unnamed portal may be the client's.
    this.#queue.push(
      parseMessage({ name: "", text: sql, parameterTypes: [] }),
      bindMessage({ portal: OWN_PORTAL, statement: "", formats: [], values: [], resultFormats: [] }),
      executeMessage({ portal: OWN_PORTAL, maxRows: 0 }),
      closeMessage({ kind: "portal", name: OWN_PORTAL }),
    );
  }

  /** A statement is about to be prepared. Where nobody has read what the shard said of it before, it may be there. */
  beginPreparing(name: string): void {
    if (this.#unsure.has(name)) this.#forgotten.push(closeMessage({ kind: "statement", name }));
    this.#unsure.add(name);
  }

  /** The shard has said that it is. */
  endPreparing(name: string): void {
    this.#unsure.delete(name);
    this.prepared.add(name);
  }

  /** A prepared statement is not needed any more. */
  forget(name: string): void {
    const known = this.prepared.delete(name);
    if (this.#unsure.delete(name) || known) this.#forgotten.push(closeMessage({ kind: "statement", name }));
  }

  /** Something of our own waits to be sent: a simple Query would not heed its failure. */
  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  /** What is queued is not to be sent. */
  discardQueue(): void {
    this.#queue = [];
    if (!this.busy) this.#own = 0;
  }

  /** Sends what is queued, and a Sync. */
  async sync(): Promise<void> {
    this.#closing = this.#forgotten.length;
    this.#queue.unshift(...this.#forgotten.splice(0));
    this.queue(syncMessage);
    await this.#send();
  }

  /** Sends what is queued, and reads the answer. Fails with the shard's error. */
  async flushed(): Promise<void> {
    if (!this.hasQueued) return;
    await this.sync();
    const failure = await this.finish();
    if (failure !== undefined) throw failure;
  }

  /** Sends a simple Query, once what is queued has succeeded. */
  async query(sql: string): Promise<void> {
    await this.flushed();
    this.queue(queryMessage(sql));
    await this.#send();
  }

  /** Sends data of a COPY. */
  async write(parts: readonly Buffer[]): Promise<void> {
    await this.server.stream.write(parts).catch((error: unknown) => {
      throw shardLost(this, error);
    });
  }

  async #send(): Promise<void> {
    // It would hit what is sent now.
    await this.#cancelling;
    this.#expected++;
    const parts = this.#queue;
    this.#queue = [];
    await this.write([Buffer.concat(parts)]);
  }

  /**
   * The next message of the answer. Fails with the shard's error; `finish` is to follow, unless it is fatal.
   */
  async next(): Promise<Message> {
    while (this.#closing > 0) {
      await this.#read();
      this.#closing--;
    }
    while (this.#own > 0) {
      const { type } = await this.#read();
      if (type === Backend.closeComplete) this.#own--;
    }
    return await this.#read();
  }

  /** The next message, if it is here already and of that type. To be called after `next`. */
  take(type: number): Message | undefined {
    if (this.#peeked !== undefined) return undefined;
    const message = this.server.stream.take();
    if (message === undefined || message.type === type) return message;
    this.#peeked = message;
    return undefined;
  }

  /** The next message, which has to be of that type. */
  async expect(type: number): Promise<Message> {
    const message = await this.next();
    if (message.type !== type) throw this.#unexpected(message);
    return message;
  }

  /**
   * Reads on up to the last ReadyForQuery.
   * @returns the first error on the way, if there is one
   */
  async finish(): Promise<WireError | undefined> {
    let failure: WireError | undefined;
    while (this.#expected > 0) {
      try {
        const { type } = await this.#read();
        if (type === Backend.copyInResponse) await this.write([COPY_FAIL]);
      } catch (error) {
        if (!(error instanceof WireError) || error.fatal) throw error;
        failure ??= error;
      }
    }
    return failure;
  }

  /** Something that came while nothing was asked. */
  hearIdle(message: Message): void {
    if (message.type === Backend.errorResponse) this.#said = parseErrorResponse(message);
    else this.#aside(this, message);
  }

  /** Why a session that was idle is over. */
  lost(): WireError {
    const message = this.#said === undefined ? this.server.stream.take() : undefined;
    if (message !== undefined) this.hearIdle(message);
    return shardLost(this, this.#said);
  }

  /** Cancels what runs. What is sent after this has resolved is safe from it. */
  async cancel(): Promise<void> {
    if (!this.busy) return;
    this.#cancelling ??= cancelServer(this.server).finally(() => {
      this.#cancelling = undefined;
    });
    await this.#cancelling;
  }

  /**
   * Runs statements of our own, together, and gives the last one's tag.
   *
   * Fails with the server's error.
   */
  async execute(...statements: readonly string[]): Promise<string> {
    return (await this.ask(statements.join("; "))).tag;
  }

  /** As `execute`, with the rows of all of them, in text. For few rows. */
  async ask(sql: string): Promise<TextAnswer> {
    return await askInText(this, sql);
  }

  async #read(): Promise<Message> {
    const { stream } = this.server;
    for (;;) {
      const peeked = this.#peeked;
      this.#peeked = undefined;
      const message = peeked ?? stream.take() ?? (await stream.read().catch((error: unknown) => {
        throw shardLost(this, error);
      }));
      if (message === undefined) {
        if (stream.ended) throw shardLost(this, undefined);
        continue;
      }
      switch (message.type) {
        case Backend.noticeResponse:
        case Backend.notificationResponse:
        case Backend.parameterStatus:
          this.#aside(this, message);
          continue;
        case Backend.errorResponse: {
          this.#own = 0;
          this.#closing = 0;
          this.#failed = true;
          const error = parseErrorResponse(message);
          throw error.fatal ? shardLost(this, error) : error;
        }
        case Backend.readyForQuery:
          this.#expected--;
          if (this.#expected === 0) {
            this.#failed = false;
            this.#own = 0;
            this.#closing = 0;
          }
          this.status = parseReadyForQuery(message);
          return message;
        default:
          return message;
      }
    }
  }

  #unexpected(message: Message): WireError {
    return new WireError("08P01", `shard ${this.shard} answered with a message of type ${JSON.stringify(String.fromCharCode(message.type))}, which was not expected`, { severity: "FATAL" });
  }
}

const OWN_PORTAL = "reshard_own";
/** CopyFail with an empty reason. */
const COPY_FAIL: Buffer = Buffer.from([0x66, 0, 0, 0, 5, 0]);
