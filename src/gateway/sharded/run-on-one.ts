import { bindComplete, noData, parseComplete } from "../../wire/backend-messages.js";
import { describeMessage, executeMessage } from "../../wire/frontend-messages.js";
import { Backend, type Message } from "../../wire/message.js";
import { type BindAnswers, type BoundText, queueBind } from "./bind-on-shard.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";
import type { StatementRun } from "./statement-run.js";

/** Messages that come in great numbers. */
const MANY: ReadonlySet<number> = new Set([Backend.dataRow, Backend.copyData]);

/**
 * Runs a statement on one shard: what it answers goes to the client as it comes.
 * @returns the message that ends the answer: CommandComplete, PortalSuspended, EmptyQueryResponse; undefined where nothing
 * was to be executed
 */
export async function runOnOne(core: SessionCore, run: StatementRun, session: ShardSession, bound: BoundText): Promise<Buffer | undefined> {
  const { portal, simple, maxRows } = run;
  let answers: BindAnswers | undefined;
  // A Query would not heed that what was queued before it has failed.
  const asQuery = simple && !session.hasQueued && bound.values.length === 0 && maxRows === 0 && portal.name === "";
  if (asQuery) await session.query(bound.text);
  else {
    const describe = run.describe || simple;
    if (portal.shards.length === 0) answers = queueBind(session, portal, bound, describe);
    else if (describe) session.queue(describeMessage({ kind: "portal", name: portal.name }));
    if (maxRows !== undefined) session.queue(executeMessage({ portal: portal.name, maxRows }));
    await session.sync();
  }
  await tellBound(core, run, answers === undefined ? [] : [answers]);
  portal.shards = [session.shard];
  const end = await relay(core, run, session);
  const failure = await session.finish();
  // A constraint may be looked at when a statement outside of a transaction is committed.
  if (failure !== undefined) throw failure;
  return end;
}

/** ParseComplete and BindComplete, where the client waits for them, once the shards have said so. */
export async function tellBound({ output }: SessionCore, { tellParse, tellBind, onParseTold }: StatementRun, answers: readonly BindAnswers[]): Promise<void> {
  for (const { parsed } of answers) await parsed();
  if (tellParse) {
    output.push(parseComplete);
    onParseTold?.();
  }
  for (const { bound } of answers) await bound();
  if (tellBind) output.push(bindComplete);
}

/** Passes the answer on up to the message that ends it. */
async function relay(core: SessionCore, { simple, describe, maxRows }: StatementRun, session: ShardSession): Promise<Buffer | undefined> {
  const { output } = core;
  let described = !(describe || simple);
  for (;;) {
    if (described && maxRows === undefined) return undefined;
    const message = await session.next();
    switch (message.type) {
      case Backend.dataRow:
      case Backend.copyData:
        await passMany(core, session, message);
        break;
      case Backend.rowDescription:
        described = true;
        output.push(session.types.rowDescription(message));
        break;
      case Backend.noData:
        described = true;
        if (!simple) output.push(noData);
        break;
      case Backend.commandComplete:
      case Backend.portalSuspended:
      case Backend.emptyQueryResponse:
        return message.bytes;
      default:
        output.push(message.bytes);
    }
  }
}

/** Passes a message on, and all that have come already and are of its type. */
export async function passMany({ output }: SessionCore, session: ShardSession, first: Message): Promise<void> {
  const { type } = first;
  let message: Message | undefined = first;
  while (message !== undefined) {
    output.push(message.bytes);
    if (output.full) break;
    message = MANY.has(type) ? session.take(type) : undefined;
  }
  if (output.full) await output.flush();
}
