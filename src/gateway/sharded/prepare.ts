import { noData, parameterDescription, parseComplete, parseParameterDescription } from "../../wire/backend-messages.js";
import { describeMessage } from "../../wire/frontend-messages.js";
import { Backend } from "../../wire/message.js";
import { quoteLiteral } from "../../postgres/identifiers.js";
import type { PlannedStatement } from "../planning/statement-planner.js";
import type { SessionPlan, StatementPlan } from "../planning/statement-plan.js";
import { clientParse, expectParse, nameOnShards, queueParse } from "./bind-on-shard.js";
import { failure, syntaxError } from "./failure.js";
import type { Prepared } from "./prepared-statements.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";

/**
 * The one statement of a text; undefined where it is empty. The catalog is read anew if the text names a relation that
 * is not in it.
 * @throws WireError 42601 where it has several, or cannot be read
 */
export async function planOne(core: SessionCore, text: string): Promise<PlannedStatement | undefined> {
  let planned = await core.plan(text);
  const unknown = "statements" in planned && planned.statements.some(({ plan }) => plan.kind === "refused" && plan.unknownRelation !== undefined);
  if (unknown) planned = await core.plan(text, true);
  if ("failure" in planned) throw syntaxError(planned.failure);
  if (planned.statements.length > 1) throw failure("42601", "cannot insert multiple commands into a prepared statement");
  return planned.statements[0];
}

/** A statement that no shard has to do with: what there is to say of it is said here. */
export function isOwn(plan: StatementPlan | undefined): boolean {
  return plan === undefined || plan.kind === "transaction" || (plan.kind === "session" && plan.action !== "set-config" && plan.action !== "execute");
}

/**
 * Has a shard look at a statement, so that its faults are told now.
 * @param tell what the client waits for: ParseComplete, descriptions
 */
export async function lookAt(core: SessionCore, prepared: Prepared, tell: { readonly parse: boolean; readonly describe: boolean }): Promise<void> {
  const { output } = core;
  const planned = await planOne(core, prepared.text);
  if (isOwn(planned?.plan)) {
    if (tell.parse) output.push(parseComplete);
    if (tell.describe) output.push(Buffer.concat([parameterDescription([]), noData]));
    return;
  }
  const plan = planned!.plan;
  if (plan.kind === "session" && plan.action === "execute") {
    const inner = core.statements.get(plan.name);
    if (inner === undefined) throw failure("26000", `prepared statement "${plan.name}" does not exist`);
    if (tell.parse) output.push(parseComplete);
    if (tell.describe) await describe(core, inner, { parse: false, describe: true });
    return;
  }
  await describe(core, prepared, tell);
}

async function describe(core: SessionCore, prepared: Prepared, tell: { readonly parse: boolean; readonly describe: boolean }): Promise<void> {
  const { output } = core;
  const session = await sessionToAsk(core);
  const bound = clientParse(prepared);
  const parsed = queueParse(session, prepared, bound);
  if (tell.describe) session.queue(describeMessage({ kind: "statement", name: nameOnShards(prepared, "as-it-is") }));
  await session.sync();
  await expectParse(session, prepared, "as-it-is", parsed);
  if (tell.parse) output.push(parseComplete);
  if (tell.describe) {
    const parameters = await session.expect(Backend.parameterDescription);
    prepared.describedTypes = parseParameterDescription(parameters).map((oid) => session.types.toClient(oid));
    output.push(session.types.parameterDescription(parameters));
    const rows = await session.next();
    output.push(rows.type === Backend.rowDescription ? session.types.rowDescription(rows) : rows.bytes);
  }
  await session.finish();
}

/** What it says is what all would say. A transaction that is open and has changed nothing yet is not taken to one more shard for it. */
export async function sessionToAsk(core: SessionCore): Promise<ShardSession> {
  const { shards, transaction } = core;
  const [joined] = shards.joined;
  if (joined !== undefined) return joined;
  const shard = shards.open[0]?.shard ?? 0;
  if (transaction.mode !== "none" && !transaction.plain) return (await core.enlist([shard], false))[0]!;
  const session = await shards.get(shard);
  await shards.align(session, core.settings);
  return session;
}

/** PREPARE … AS …: as a Parse message, by the names of the parameters' types. */
export async function prepareByName(core: SessionCore, { name, statement, types }: Extract<SessionPlan, { action: "prepare" }>, sql: string): Promise<void> {
  const { statements } = core;
  if (statements.get(name) !== undefined) throw failure("42P05", `prepared statement "${name}" already exists`);
  const session = await sessionToAsk(core);
  const parameterTypes = types.length === 0 ? [] : (await session.ask(`SELECT ${types.map((type) => `${quoteLiteral(type)}::pg_catalog.regtype::pg_catalog.oid`).join(", ")}`)).rows[0]!.map((oid) => session.types.toClient(Number(oid)));
  const prepared: Prepared = { id: statements.nextId(), text: statement, named: true, parameterTypes, sql };
  await lookAt(core, prepared, { parse: false, describe: false });
  statements.set(name, prepared);
}

/** A statement that is gone is closed on the shards when they are next sent something. */
export function forgetOnShards(core: SessionCore, prepared: Prepared): void {
  for (const session of core.shards.open) {
    session.forget(nameOnShards(prepared, "as-it-is"));
    session.forget(nameOnShards(prepared, "for-several"));
  }
}
