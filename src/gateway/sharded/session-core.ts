import { noticeResponse, notificationResponse, parameterStatus, parseNotification, parseParameterStatus } from "../../wire/backend-messages.js";
import { Backend, type Message } from "../../wire/message.js";
import type { SessionContext } from "../backend-session.js";
import { searchPathOf } from "../planning/search-path.js";
import type { PlannedText, StatementPlanner } from "../planning/statement-planner.js";
import type { Told } from "../planning/told-shard.js";
import { ClientMessages } from "./client-messages.js";
import { ClientOutput } from "./client-output.js";
import { failure } from "./failure.js";
import { NoticeFilter } from "./notice-filter.js";
import { PreparedStatements } from "./prepared-statements.js";
import { readCatalogIn } from "./read-catalog-in.js";
import type { ShardSession } from "./shard-session.js";
import { ShardSessions } from "./shard-sessions.js";
import type { ShardedDatabase } from "./sharded-database.js";
import { together } from "./together.js";
import { Transaction } from "./transaction.js";

/** Where a cursor is. */
export interface Cursor {
  readonly shard: number;
  readonly hold: boolean;
}

/** What all parts of a client's session on a sharded database work on. */
export class SessionCore {
  readonly context: SessionContext;
  readonly database: ShardedDatabase;
  readonly client: ClientMessages;
  readonly output: ClientOutput;
  readonly shards: ShardSessions;
  readonly transaction = new Transaction();
  readonly statements = new PreparedStatements();
  readonly cursors = new Map<string, Cursor>();
  readonly notices = new NoticeFilter();
  /** What the client has set; a new map with each change. */
  settings: ReadonlyMap<string, string> = new Map();
  /** Settings as they were at the start. */
  defaults: ReadonlyMap<string, string> = new Map();
  /** Those that it listens to; a new set with each change. */
  channels: ReadonlySet<string> = new Set();
  /** It has asked for results in binary. */
  binaryResults = false;
  /** Omnisharded tables that the transaction has locked against other writers. */
  readonly lockedTables = new Set<string>();
  /** The client's request is cancelled: nothing more of it is begun. */
  cancelled = false;
  /** What shards have said of their settings, and the client has not been told. */
  readonly #parameters = new Map<string, string>();
  /** Within a transaction that has changed the schema: by the catalog as it sees it. */
  #ownPlanner: StatementPlanner | undefined;

  constructor(context: SessionContext, database: ShardedDatabase, onClosed: (shard: ShardSession) => void) {
    this.context = context;
    this.database = database;
    this.client = new ClientMessages(context.client.stream, context.activity);
    this.output = new ClientOutput(context.client.stream, context.activity);
    this.shards = new ShardSessions({
      addresses: context.addresses,
      parameters: context.client.parameters,
      connectTimeout: context.connectTimeout,
      typesOn: (shard) => database.typesOn(shard),
      aside: (shard, message) => {
        this.#hear(shard, message);
      },
      onClosed,
    });
  }

  /** A setting as the gateway knows it; undefined where it is not one that it asked for at the start. */
  setting(name: string): string | undefined {
    return this.transaction.effective(name, this.settings) ?? this.defaults.get(name);
  }

  /**
   * What becomes of a text on the present state of the schema.
   * @param fresh the catalog is read anew for it
   */
  async plan(text: string, fresh = false): Promise<PlannedText> {
    if (this.transaction.definesSchema) {
      if (fresh || this.#ownPlanner === undefined) this.#ownPlanner = await readCatalogIn(this.shards.joined[0]!, this.context.database);
    } else if (fresh) await this.database.readCatalog();
    const planner = this.transaction.definesSchema ? this.#ownPlanner! : this.database.planner;
    const searchPath = searchPathOf(this.setting("search_path") ?? "", this.#user);
    return planner.plan(text, searchPath, this.#told());
  }

  /** The transaction has changed the schema, or undone such a change. */
  schemaChanged(): void {
    this.#ownPlanner = undefined;
  }

  /** A shard for what any can answer: one of the transaction's; else one after another. */
  anyShard(): number {
    return this.shards.joined[0]?.shard ?? this.database.nextShard();
  }

  /**
   * The sessions of shards, ready for a statement: with the client's settings and in its transaction, if there is one.
   * What they are told for that waits in their queues.
   * @param writes the shards' changes are to be committed
   */
  async enlist(shards: readonly number[], writes: boolean): Promise<ShardSession[]> {
    if (this.cancelled) throw failure("57014", "canceling statement due to user request");
    const sessions = await Promise.all(shards.map((shard) => this.shards.get(shard)));
    await together(sessions, async (session) => {
      if (!session.joined) await this.shards.align(session, this.settings);
    });
    const { transaction } = this;
    if (transaction.mode === "none") return sessions;
    for (const session of sessions) {
      if (!session.joined) {
        session.joined = true;
        for (const text of [transaction.begin, ...transaction.texts]) session.queueOwn(text);
      }
      if (writes) session.written = true;
    }
    this.#limitWaits(sessions);
    return sessions;
  }

  /** All shards' numbers. */
  get everyShard(): number[] {
    return this.context.addresses.map((_, shard) => shard);
  }

  /** Tells the client which of the settings that it hears of are others than they were; as servers do, before ReadyForQuery. */
  tellParameters(): void {
    const { told } = this.context;
    for (const [name, value] of this.#parameters) {
      if (told.get(name) === value) continue;
      told.set(name, value);
      this.output.push(parameterStatus(name, value));
    }
    this.#parameters.clear();
  }

  /** For the client, of the gateway's own. */
  warn(sqlState: string, message: string, detail?: string): void {
    this.output.push(noticeResponse("WARNING", { sqlState, message, detail }));
  }

  /** Each server sees only its own part of a deadlock: in transactions of several shards nobody waits for ever. */
  #limitWaits(sessions: readonly ShardSession[]): void {
    const { deadlockTimeout } = this.database.options;
    if (deadlockTimeout === 0 || this.shards.joined.length < 2) return;
    const own = this.setting("lock_timeout") ?? "0";
    if (!/^0+\s*(?:us|ms|s|min|h|d)?$/.test(own.trim())) return;
    for (const session of sessions) {
      if (session.limited) continue;
      session.limited = true;
      session.queueOwn(`SET LOCAL lock_timeout = ${deadlockTimeout}`);
    }
  }

  /** Whose statements these are. */
  get #user(): string {
    const role = this.setting("role");
    return role !== undefined && role !== "none" ? role : (this.setting("session_authorization") ?? this.context.addresses[0]!.user);
  }

  #told(): Told | undefined {
    const shard = this.setting("pgdog.shard");
    const key = this.setting("pgdog.sharding_key");
    if (shard !== undefined) return { name: "shard", value: shard };
    return key === undefined ? undefined : { name: "sharding_key", value: key };
  }

  /** What a shard says by itself goes to the client, once. */
  #hear(session: ShardSession, message: Message): void {
    switch (message.type) {
      case Backend.parameterStatus: {
        const { name, value } = parseParameterStatus(message);
        this.#parameters.set(name, value);
        return;
      }
      case Backend.noticeResponse:
        if (!this.notices.isNew(session.shard, message)) return;
        break;
      case Backend.notificationResponse: {
        const notification = parseNotification(message);
        // Clients know their own notifications by the process that they were told of.
        if (notification.processId === session.processId) {
          this.output.push(notificationResponse({ ...notification, processId: this.context.client.processId }));
          return;
        }
        break;
      }
      default:
    }
    this.output.push(message.bytes);
  }
}
