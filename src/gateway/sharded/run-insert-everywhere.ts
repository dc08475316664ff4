import { parseRowDescription } from "../../wire/backend-messages.js";
import { bindMessage, closeMessage, describeMessage, executeMessage, parseMessage } from "../../wire/frontend-messages.js";
import { Backend, type Message } from "../../wire/message.js";
import type { InsertEverywherePlan } from "../planning/statement-plan.js";
import { type BoundText, clientText, expectParse, queueParse } from "./bind-on-shard.js";
import { lastColumns, withoutLastColumns } from "./data-row.js";
import type { GatheredAnswer } from "./gathered-answer.js";
import { openOnSeveral } from "./run-on-several.js";
import type { SessionCore } from "./session-core.js";
import type { SessionRows } from "./session-rows.js";
import type { ShardRows } from "./shard-rows.js";
import type { ShardSession } from "./shard-session.js";
import type { StatementRun } from "./statement-run.js";
import { together } from "./together.js";

/** Rows that go to the other shards at a time. */
const ROWS_AT_ONCE = 100;

/**
 * INSERT into an omnisharded table whose values a shard computes: the first shard inserts and says what, the others insert
 * the same, some rows at a time while the first one goes on.
 * @param sessions the first one's values are all others'
 */
export async function openInsertEverywhere(core: SessionCore, run: StatementRun, plan: InsertEverywherePlan, sessions: readonly ShardSession[], maxRows: number | undefined): Promise<GatheredAnswer | undefined> {
  const [first, ...others] = sessions as [ShardSession, ...ShardSession[]];
  const own = clientText(run.portal);
  const bound: BoundText = { ...own, text: plan.firstText, variant: "for-several", resultFormats: await resultFormats(first, run, plan, own) };
  const tags = new Map<number, SessionRows>();
  const answer = await openOnSeveral(core, run, {
    sessions: [first],
    bound: () => bound,
    hidden: plan.columns,
    inTurn: false,
    gather: { kind: "union" },
    rowsOf: ([part]) => {
      tags.set(0, part!);
      return copied(part!, others, plan);
    },
  }, maxRows);
  return answer === undefined ? undefined : { ...answer, fields: answer.fields?.slice(0, answer.fields.length - plan.columns), tag: () => tags.get(0)!.tag };
}

/** The client's formats for its own columns, text for those that are the others'. */
async function resultFormats(first: ShardSession, { portal }: StatementRun, plan: InsertEverywherePlan, own: BoundText): Promise<readonly number[]> {
  const { length } = own.resultFormats;
  if (length === 0 || (length === 1 && own.resultFormats[0] === 0)) return [];
  const text = Array.from({ length: plan.columns }, () => 0);
  if (!plan.returning) return text;
  if (length > 1) return [...own.resultFormats, ...text];
  // One format for all: how many they are, the shard has to say.
  const bound: BoundText = { ...own, text: plan.firstText, variant: "for-several" };
  const parsed = queueParse(first, portal.prepared, bound);
  first.queue(describeMessage({ kind: "statement", name: parsed && !portal.prepared.named ? "" : `reshard_${portal.prepared.id}s` }));
  await first.sync();
  await expectParse(first, portal.prepared, bound.variant, parsed);
  await first.expect(Backend.parameterDescription);
  const fields = parseRowDescription(await first.expect(Backend.rowDescription));
  await first.finish();
  return [...Array.from({ length: fields.length - plan.columns }, () => own.resultFormats[0]!), ...text];
}

/** The first shard's rows as the client gets them; each is on all other shards before the last has been given. */
async function* copied(rows: ShardRows, others: readonly ShardSession[], { columns, otherText, returning }: InsertEverywherePlan): AsyncGenerator<Buffer, void, undefined> {
  let waiting: Message[] = [];
  const insert = async (): Promise<void> => {
    const values = waiting.map((row) => lastColumns(row, columns));
    waiting = [];
    await together(others, (other) => insertRows(other, otherText, values));
  };
  for (let row = await rows.next(); row !== undefined; row = await rows.next()) {
    waiting.push(row);
    if (waiting.length >= ROWS_AT_ONCE) await insert();
    if (returning) yield withoutLastColumns(row.bytes, columns);
  }
  if (waiting.length > 0) await insert();
}

/** On the shards it has a name of its own: portals of the client are not touched. */
const PORTAL = "reshard_row";

async function insertRows(session: ShardSession, text: string, rows: readonly (readonly (Buffer | null)[])[]): Promise<void> {
  session.queue(parseMessage({ name: "", text, parameterTypes: [] }));
  for (const values of rows) {
    session.queue(
      bindMessage({ portal: PORTAL, statement: "", formats: [], values, resultFormats: [] }),
      executeMessage({ portal: PORTAL, maxRows: 0 }),
      closeMessage({ kind: "portal", name: PORTAL }),
    );
  }
  await session.sync();
  await session.expect(Backend.parseComplete);
  const failure = await session.finish();
  if (failure !== undefined) throw failure;
}
