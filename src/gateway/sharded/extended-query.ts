import { closeComplete } from "../../wire/backend-messages.js";
import { closeMessage, parseBind, parseExecute, parseNamed, parseParse } from "../../wire/frontend-messages.js";
import { Frontend, type Message } from "../../wire/message.js";
import { commitTransaction } from "./end-transaction.js";
import { failure } from "./failure.js";
import { parameterCount, portalOf } from "./portal-of.js";
import { forgetOnShards, isOwn, lookAt, planOne } from "./prepare.js";
import type { Portal, Prepared } from "./prepared-statements.js";
import { runPortal } from "./run-portal.js";
import type { SessionCore } from "./session-core.js";
import type { StatementRun } from "./statement-run.js";
import { together } from "./together.js";

/** So many bytes are kept waiting for the message that says what they are for. */
const MOST_WAITING = 1024 * 1024;

type Waiting =
  | { readonly kind: "parse"; readonly name: string; readonly prepared: Prepared }
  | { readonly kind: "bind"; readonly message: ReturnType<typeof parseBind> }
  | { readonly kind: "describe" | "close"; readonly of: "statement" | "portal"; readonly name: string }
  | { readonly kind: "execute"; readonly portal: string; readonly maxRows: number };

/**
 * The extended protocol: messages wait until one shows what they are for (Execute, Sync, Flush), so that Parse, Bind,
 * Describe and Execute of one statement go to its shards together, and to those alone.
 */
export class ExtendedQuery {
  readonly #core: SessionCore;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /**
   * Takes a message. After Execute the next one is looked at: a statement right before a Sync is a transaction of its own.
   *
   * Fails with the error that the client is to be told; what waited is forgotten then, up to the Sync.
   */
  async take(message: Message): Promise<void> {
    this.#waiting.push(this.#read(message));
    this.#bytes += message.bytes.length;
    const last = this.#waiting.at(-1)!;
    if (last.kind === "execute" || this.#bytes > MOST_WAITING) {
      const next = await this.#core.client.peek();
      await this.#run(next?.type === Frontend.sync);
    }
  }

  /** Flush: what waits is done now. */
  async flush(): Promise<void> {
    await this.#run(false);
  }

  /** Sync: so it is, and what the messages since the last one have done is committed. */
  async sync(): Promise<void> {
    const { transaction, statements } = this.#core;
    await this.#run(true);
    if (transaction.mode === "implicit") await commitTransaction(this.#core);
    if (transaction.mode === "none") statements.clearPortals();
  }

  /** After an error. */
  forget(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }

  #read(message: Message): Waiting {
    switch (message.type) {
      case Frontend.parse: {
        const { name, text, parameterTypes } = parseParse(message);
        this.#core.context.onStatement?.(text);
        return { kind: "parse", name, prepared: { id: this.#core.statements.nextId(), text, named: name !== "", parameterTypes } };
      }
      case Frontend.bind: {
        const bind = parseBind(message);
        if (bind.resultFormats.includes(1)) this.#core.binaryResults = true;
        // They may wait for the shard longer than the chunk that they came in ought to live.
        return { kind: "bind", message: bind };
      }
      case Frontend.execute:
        return { kind: "execute", ...parseExecute(message) };
      default: {
        const { kind: of, name } = parseNamed(message);
        return { kind: message.type === Frontend.close ? "close" : "describe", of, name };
      }
    }
  }

  /** @param synced a Sync follows: what is done is a transaction of its own, if nothing came before */
  async #run(synced: boolean): Promise<void> {
    const waiting = this.#waiting;
    this.forget();
    const { output } = this.#core;
    for (let at = 0; at < waiting.length; ) {
      at += await this.#step(waiting, at, synced);
      if (output.full) await output.flush();
    }
  }

  /** Does what can be done together; how many messages that were. */
  async #step(waiting: readonly Waiting[], at: number, synced: boolean): Promise<number> {
    const core = this.#core;
    const { statements, output, transaction } = core;
    const [first, second] = [waiting[at]!, waiting[at + 1]];
    switch (first.kind) {
      case "parse": {
        this.#checkName(first.name);
        const { name, prepared } = first;
        if (second?.kind === "bind" && second.message.statement === name) return 1 + (await this.#bind(waiting, at + 1, synced, first));
        const describe = second?.kind === "describe" && second.of === "statement" && second.name === name;
        await this.#checkFailed(prepared.text);
        await lookAt(core, prepared, { parse: true, describe });
        this.#keep(name, prepared);
        return describe ? 2 : 1;
      }
      case "bind":
        return await this.#bind(waiting, at, synced, undefined);
      case "describe":
        if (first.of === "portal") return await this.#portal(waiting, at, synced, { portal: this.#portalNamed(first.name), tellParse: false, tellBind: false });
        {
          const prepared = this.#statementNamed(first.name);
          await this.#checkFailed(prepared.text);
          await lookAt(core, prepared, { parse: false, describe: true });
        }
        return 1;
      case "execute":
        return await this.#portal(waiting, at, synced, { portal: this.#portalNamed(first.portal), tellParse: false, tellBind: false });
      case "close":
        if (first.of === "portal") {
          const portal = statements.portal(first.name);
          if (portal !== undefined) await closePortal(core, portal, transaction.mode !== "none");
        } else {
          const prepared = statements.get(first.name);
          statements.delete(first.name);
          if (prepared !== undefined) forgetOnShards(core, prepared);
        }
        output.push(closeComplete);
        return 1;
    }
  }

  /** Bind, and Describe and Execute of the same portal where they follow. */
  async #bind(waiting: readonly Waiting[], at: number, synced: boolean, parse: Extract<Waiting, { kind: "parse" }> | undefined): Promise<number> {
    const core = this.#core;
    const bind = waiting[at] as Extract<Waiting, { kind: "bind" }>;
    const { portal: name, statement } = bind.message;
    const prepared = parse?.prepared ?? this.#statementNamed(statement);
    if (name !== "" && core.statements.portal(name) !== undefined) throw failure("42P03", `cursor "${name}" already exists`);
    const portal = await portalOf(core, prepared, bind.message);
    const { plan } = portal.planned ?? {};
    // What PREPARE prepares has parameters of its own.
    const wanted = plan?.kind === "session" && plan.action === "prepare" ? 0 : parameterCount(prepared);
    if (bind.message.values.length !== wanted) {
      // A server tells a statement's own faults first.
      if (parse !== undefined) {
        await lookAt(core, prepared, { parse: true, describe: false });
        this.#keep(parse.name, prepared);
      }
      throw failure("08P01", `bind message supplies ${bind.message.values.length} parameters, but prepared statement "${statement}" requires ${wanted}`);
    }
    const onParseTold = (): void => {
      if (parse !== undefined) this.#keep(parse.name, prepared);
    };
    const done = await this.#portal(waiting, at, synced, { portal, tellParse: parse !== undefined, onParseTold, tellBind: true });
    // Of a statement that has ended its transaction it is gone.
    if (core.transaction.mode !== "none" || !synced) core.statements.setPortal(portal);
    return done;
  }

  async #portal(waiting: readonly Waiting[], at: number, synced: boolean, begun: Pick<StatementRun, "portal" | "tellParse" | "onParseTold" | "tellBind">): Promise<number> {
    const core = this.#core;
    const { portal, tellBind } = begun;
    let next = tellBind ? at + 1 : at;
    const of = (kind: "describe" | "execute"): boolean => {
      const message = waiting[next];
      if (kind === "execute") return message?.kind === "execute" && message.portal === portal.name;
      return message?.kind === "describe" && message.of === "portal" && message.name === portal.name;
    };
    const describe = of("describe");
    if (describe) next++;
    const executed = of("execute") ? (waiting[next] as Extract<Waiting, { kind: "execute" }>) : undefined;
    if (executed !== undefined) {
      next++;
      core.context.activity.queries++;
      core.notices.clear();
    }
    const last = synced && next === waiting.length;
    const alone = last && core.transaction.mode === "none";
    const end = await runPortal(core, { ...begun, simple: false, describe, maxRows: executed === undefined ? undefined : Math.max(0, executed.maxRows), alone });
    // Where nothing else is to come, the tag says that it is committed.
    if (last && core.transaction.mode === "implicit") await commitTransaction(core);
    if (end !== undefined) core.output.push(end);
    return next - at;
  }

  #checkName(name: string): void {
    if (name !== "" && this.#core.statements.get(name) !== undefined) throw failure("42P05", `prepared statement "${name}" already exists`);
  }

  /** In a transaction that has failed nothing is prepared but what ends it. */
  async #checkFailed(text: string): Promise<void> {
    if (!this.#core.transaction.failed) return;
    const planned = await planOne(this.#core, text);
    if (!isOwn(planned?.plan)) throw failure("25P02", "current transaction is aborted, commands ignored until end of transaction block");
  }

  #keep(name: string, prepared: Prepared): void {
    const { statements } = this.#core;
    const former = statements.get(name);
    if (former !== undefined && former !== prepared) forgetOnShards(this.#core, former);
    statements.set(name, prepared);
  }

  #statementNamed(name: string): Prepared {
    const prepared = this.#core.statements.get(name);
    if (prepared !== undefined) return prepared;
    throw failure("26000", name === "" ? "unnamed prepared statement does not exist" : `prepared statement "${name}" does not exist`);
  }

  #portalNamed(name: string): Portal {
    const portal = this.#core.statements.portal(name);
    if (portal === undefined) throw failure("34000", `portal "${name}" does not exist`);
    return portal;
  }
}

/** Closes a portal on its shards, if they still have it. */
async function closePortal(core: SessionCore, portal: Portal, open: boolean): Promise<void> {
  core.statements.deletePortal(portal.name);
  if (!open) return;
  await portal.answer?.rows.return();
  await together(core.shards.joined.filter(({ shard }) => portal.shards.includes(shard)), async (session) => {
    session.queue(closeMessage({ kind: "portal", name: portal.name }));
    await session.flushed();
  });
}
