import { errorResponse, readyForQuery } from "../../wire/backend-messages.js";
import { parseQuery } from "../../wire/frontend-messages.js";
import { Frontend, isOfBatch, type Message } from "../../wire/message.js";
import { connectionLost, WireError } from "../../wire/wire-error.js";
import type { BackendSession, ServerInUse, SessionContext } from "../backend-session.js";
import { CycleTracker } from "../cycle-tracker.js";
import { GateEntry } from "../gate-entry.js";
import { type SessionAtWork, SessionEnding } from "../session-ending.js";
import type { SessionState } from "../session-state.js";
import { abandonStatement } from "./abandon.js";
import { ExtendedQuery } from "./extended-query.js";
import { failure } from "./failure.js";
import { listenWhileIdle } from "./listen-while-idle.js";
import { openSession } from "./open-session.js";
import { SessionCore } from "./session-core.js";
import { sessionStateOf } from "./session-state-of.js";
import type { ShardSession } from "./shard-session.js";
import type { ShardedDatabase } from "./sharded-database.js";
import { runQuery } from "./simple-query.js";
import { waitingClient } from "./waiting-client.js";

type Outcome = "left" | "move";

/**
 * A client's session on a sharded database: each statement goes to the shards that it is about, and what they answer
 * becomes one answer.
 *
 * - Transactions begin on a shard when it is first needed, with the client's own BEGIN, and end on all of them at once
 *   (`commitTransaction`). A statement that changes rows of several shards is one, too.
 * - No server sees a deadlock between transactions that wait for each other on different shards: in a transaction of
 *   several shards without a `lock_timeout` of its own, nobody waits longer than `deadlockTimeout`. The statement fails with
 *   55P03 then, the transaction is rolled back on all shards at once, and the others go on.
 * - A read of several shards sees each of them at its own moment: there is no snapshot of all.
 * - A server that is lost ends the session (08006, and 08007 in the middle of a COMMIT): what was not committed is rolled
 *   back on all shards.
 */
export class ShardedSession implements BackendSession {
  readonly ending = new SessionEnding(() => this.#atWork());
  readonly #context: SessionContext;
  readonly #database: () => Promise<ShardedDatabase>;
  readonly #entry: GateEntry;
  #core: SessionCore | undefined;
  #extended: ExtendedQuery | undefined;
  /** Messages of the extended protocol came, and no Sync yet. */
  #inBatch = false;
  /** The batch has failed: all up to its Sync is overlooked. */
  #skipping = false;
  #moving = false;
  #over = false;

  constructor(context: SessionContext, database: () => Promise<ShardedDatabase>) {
    this.#context = context;
    this.#database = database;
    this.#entry = new GateEntry(context, () => this.#over);
  }

  get servers(): readonly ServerInUse[] {
    return this.#core?.shards.open ?? [];
  }

  get listens(): boolean {
    return (this.#core?.channels.size ?? 0) > 0;
  }

  async run(): Promise<Outcome> {
    // A client that has gone does not wait for what runs.
    void this.#context.client.stream.closed.then(() => {
      if (this.#context.activity.state === "active") void this.#core?.shards.cancel();
      this.#stop();
    });
    const serving = this.#open().then(async (core) => await this.#serve(core));
    serving.catch(() => undefined);
    try {
      return await Promise.race([serving, this.ending.failed]);
    } catch (error) {
      // The client itself is gone: nobody is there to be told.
      if (this.#context.client.stream.ended) return "left";
      throw error;
    } finally {
      this.#stop();
    }
  }

  async state(): Promise<SessionState> {
    if (this.#core === undefined) throw connectionLost("the session has no servers");
    return await sessionStateOf(this.#core);
  }

  move(): void {
    this.#moving = true;
    if (this.#core !== undefined && this.#idle(this.#core)) this.#core.client.interrupt();
  }

  async cancel(): Promise<void> {
    const { activity } = this.#context;
    if (activity.state === "waiting") this.#entry.cancel();
    else if (activity.state === "active" && this.#core !== undefined) {
      this.#core.cancelled = true;
      await this.#core.shards.cancel();
    }
  }

  async end(): Promise<void> {
    this.#stop();
    await this.#core?.shards.end();
  }

  async #open(): Promise<SessionCore> {
    const { pass } = this.#context;
    const core = new SessionCore(this.#context, await this.#database(), (shard) => {
      this.#onClosed(shard);
    });
    this.#core = core;
    this.#extended = new ExtendedQuery(core);
    await openSession(core);
    // Meanwhile yet others may have come to be in charge.
    this.#moving = !pass.current;
    this.#context.ready();
    return core;
  }

  async #serve(core: SessionCore): Promise<Outcome> {
    const { client } = core;
    const waiting = waitingClient(core);
    for (;;) {
      if (this.#over) return "left";
      if (this.#moving && this.#idle(core)) {
        client.giveBack();
        return "move";
      }
      const message = await this.#peek(core);
      if (message === undefined) {
        if (client.ended) return "left";
        continue;
      }
      if (message.type === Frontend.terminate) return "left";
      if (this.#idle(core) && CycleTracker.begins(message.type)) {
        const outcome = await this.#entry.enter(this.#context.pass.begin(), waiting);
        if (outcome === "refused") continue;
        if (outcome !== "entered") {
          client.giveBack();
          return outcome;
        }
      }
      client.take();
      await this.#handle(core, message);
    }
  }

  /** The client's next message. What shards say meanwhile by themselves goes to the client. */
  async #peek(core: SessionCore): Promise<Message | undefined> {
    if (core.channels.size === 0 || !this.#idle(core)) return await core.client.peek();
    const stops = core.shards.open.map((shard) => listenWhileIdle(shard, () => {
      core.output.flush().catch(() => undefined);
    }));
    try {
      return await core.client.peek();
    } finally {
      await Promise.all(stops.map((stop) => stop()));
    }
  }

  /** No transaction is open, and nothing is under way. */
  #idle({ transaction }: SessionCore): boolean {
    return transaction.mode === "none" && !this.#inBatch;
  }

  async #handle(core: SessionCore, message: Message): Promise<void> {
    const { activity } = this.#context;
    const extended = this.#extended!;
    switch (message.type) {
      case Frontend.query:
        if (this.#skipping) break;
        activity.set("active");
        activity.queries++;
        await this.#attempt(core, async () => {
          await extended.flush();
          const { text } = parseQuery(message);
          this.#context.onStatement?.(text);
          await runQuery(core, text);
        });
        await this.#ready(core);
        break;
      case Frontend.flush:
        if (!this.#skipping) {
          this.#skipping = !(await this.#attempt(core, async () => {
            await extended.flush();
          }));
        }
        await core.output.flush();
        break;
      case Frontend.sync:
        if (!this.#skipping) {
          await this.#attempt(core, async () => {
            await extended.sync();
          });
        }
        this.#skipping = false;
        await this.#ready(core);
        break;
      case Frontend.functionCall:
        if (this.#skipping) break;
        await this.#attempt(core, () => Promise.reject(failure("0A000", "function calls (fastpath) are not supported on a sharded database", { hint: "Use SELECT." })));
        await this.#ready(core);
        break;
      default:
        // Others are data of a COPY that has failed.
        if (!isOfBatch(message.type)) break;
        this.#inBatch = true;
        if (this.#skipping) break;
        if (activity.state !== "active") activity.set("active");
        this.#skipping = !(await this.#attempt(core, async () => {
          await extended.take(message);
        }));
    }
  }

  /** Does what the client asks for; it is told of an error, and false comes back. Fails where the session is over with it. */
  async #attempt(core: SessionCore, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof WireError) || error.fatal) throw error;
      this.#extended!.forget();
      await abandonStatement(core);
      this.#context.activity.errors++;
      core.output.push(errorResponse(error));
      return false;
    }
  }

  /** ReadyForQuery. */
  async #ready(core: SessionCore): Promise<void> {
    const { activity, pass } = this.#context;
    const { status } = core.transaction;
    this.#inBatch = false;
    core.cancelled = false;
    core.notices.clear();
    core.tellParameters();
    core.output.push(readyForQuery(status));
    await core.output.flush();
    if (status === "I") activity.transactions++;
    activity.set(status === "I" ? "idle" : "idle in transaction");
    const due = this.ending.dueAfterAnswer(status === "I");
    if (due !== undefined) throw due;
    if (status === "I") pass.end();
  }

  #atWork(): SessionAtWork {
    const { state } = this.#context.activity;
    const core = this.#core;
    return {
      outside: state === "waiting" || core === undefined || (this.#idle(core) && state !== "active"),
      running: state === "active" && core !== undefined,
      cancel: () => {
        if (core === undefined) return;
        core.cancelled = true;
        void core.shards.cancel();
      },
    };
  }

  /** A shard's server has closed the connection. Whoever waits for its answer finds out; else the session ends here. */
  #onClosed(shard: ShardSession): void {
    if (!this.#over && !shard.busy) this.ending.fail(shard.lost());
  }

  #stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#context.pass.withdraw();
    this.#context.client.stream.interrupt();
  }
}
