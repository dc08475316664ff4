import type { TransactionStatus } from "../wire/backend-messages.js";
import { Backend, Frontend, isOfBatch } from "../wire/message.js";

/** What was sent and bears on the answers to come. */
type Sent =
  /** Query or FunctionCall: one ReadyForQuery. */
  | "query"
  /** The first of messages of the extended protocol, which a Sync ends. */
  | "batch"
  /** One ReadyForQuery for it and the batch before. */
  | "sync"
  /** CopyDone or CopyFail, sent before it was known whether there is a COPY. */
  | "done";

/**
 * What of a client's messages its server has not answered yet, known by the messages' types alone. Two things make it
 * more than counting: while a COPY takes data the server overlooks Sync (CopyGetData, commands/copyfromparse.c), and clients send one
 * before they know; and after an error in a batch it overlooks everything up to the next Sync.
 */
export class CycleTracker {
  #status: TransactionStatus = "I";
  /** In order. */
  readonly #sent: Sent[] = [];
  /** Messages of a batch were sent, and no Sync yet. */
  #opened = false;
  /** A COPY takes data. */
  #copyIn = false;
  /** The batch that is being answered has failed. */
  #failed = false;

  get status(): TransactionStatus {
    return this.#status;
  }

  /** All that was sent has been answered. */
  get settled(): boolean {
    return this.#sent.length === 0;
  }

  /** Settled, and no transaction is open. */
  get idle(): boolean {
    return this.#status === "I" && this.settled;
  }

  /** The server waits for the client: to cancel what it does would be of no use. */
  get waitsForClient(): boolean {
    return this.#copyIn || (this.#opened && !this.#sent.includes("query") && !this.#sent.includes("sync"));
  }

  /** The next message would not belong to one before: the last was Query or Sync. */
  get atCycleStart(): boolean {
    return !this.#opened && !this.#copyIn;
  }

  /** Data of a COPY that has failed, and Flush, are not answered: with nothing in flight they begin nothing. */
  static begins(type: number): boolean {
    return type !== Frontend.copyData && type !== Frontend.copyDone && type !== Frontend.copyFail && type !== Frontend.flush && type !== Frontend.terminate;
  }

  /** The client sent a message of this type. */
  sent(type: number): void {
    switch (type) {
      case Frontend.query:
      case Frontend.functionCall:
        this.#sent.push("query");
        this.#opened = false;
        break;
      case Frontend.sync:
        if (this.#copyIn) break;
        this.#sent.push("sync");
        this.#opened = false;
        break;
      case Frontend.copyDone:
      case Frontend.copyFail:
        if (this.#copyIn) this.#copyIn = false;
        else if (!this.settled) this.#sent.push("done");
        break;
      default:
        // In the middle of a COPY it is an error, by which the COPY ends.
        if (!isOfBatch(type) || this.#opened || this.#copyIn) break;
        this.#sent.push("batch");
        this.#opened = true;
    }
  }

  /** The server sent a message of this type; ReadyForQuery with its status. */
  heard(type: number, status: TransactionStatus = "I"): void {
    if (type === Backend.readyForQuery) this.#answered(status);
    else if (type === Backend.copyInResponse) this.#beginCopy();
    else if (type === Backend.errorResponse) {
      this.#copyIn = false;
      if (this.#front() === "batch") this.#failed = true;
    }
  }

  #answered(status: TransactionStatus): void {
    this.#status = status;
    this.#copyIn = false;
    if (this.#front() === "batch") {
      const end = this.#sent.findIndex((sent) => sent === "sync" || (sent === "query" && !this.#failed));
      this.#sent.splice(0, end < 0 ? this.#sent.length : end + 1);
    } else this.#sent.shift();
    this.#failed = false;
    // What is left of a COPY that failed is not answered.
    this.#front();
  }

  #beginCopy(): void {
    // Syncs that stand before the end of the data are overlooked.
    const isBatch = this.#front() === "batch";
    const done = this.#sent.indexOf("done");
    this.#sent.splice(1, (done < 0 ? this.#sent.length : done + 1) - 1);
    this.#copyIn = done < 0;
    if (isBatch && this.#sent.length === 1) this.#opened = true;
  }

  /** What is being answered. Ends of a COPY that was over before they came are forgotten. */
  #front(): Sent | undefined {
    while (this.#sent[0] === "done") this.#sent.shift();
    return this.#sent[0];
  }
}
