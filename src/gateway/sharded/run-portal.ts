import { commandComplete, emptyQueryResponse, noData } from "../../wire/backend-messages.js";
import { as } from "../../schema/syntax-tree.js";
import type { CopyInPlan, RoutedPlan, StatementPlan } from "../planning/statement-plan.js";
import { clientText } from "./bind-on-shard.js";
import { readCatalog } from "./end-transaction.js";
import { failure } from "./failure.js";
import { giveRows } from "./give-rows.js";
import type { GatheredAnswer } from "./gathered-answer.js";
import { lockTables } from "./lock-everywhere.js";
import { lookAt } from "./prepare.js";
import { resolveShards, shardsOfCopy } from "./resolve-shards.js";
import { runAlone } from "./run-alone.js";
import { copyIn, copyOut } from "./run-copy.js";
import { openInsertEverywhere } from "./run-insert-everywhere.js";
import { runOnOne, tellBound } from "./run-on-one.js";
import { openOnSeveral, routedGatherPlan } from "./run-on-several.js";
import { type KeptPlan, keepSetting, runSessionPlan } from "./run-session-plan.js";
import { shardsOfRows, splitGatherPlan } from "./run-split-insert.js";
import { runTransactionPlan } from "./run-transaction-plan.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";
import type { StatementRun } from "./statement-run.js";
import { settingOf } from "./set-config.js";
import { together } from "./together.js";

/** What it says is to be heard once the transaction is committed: it counts as a change, of which the server itself tells nothing. */
const NOTIFIES = /\bpg_notify\b/i;

/**
 * Does with a portal what is due: what the client hears of it goes to the output, but for the message that ends an
 * execution, which is returned (CommandComplete, PortalSuspended, EmptyQueryResponse): what is left to be committed comes first.
 *
 * Fails with the error that the client is to be told. Shards may be in the middle of their answers then.
 */
export async function runPortal(core: SessionCore, run: StatementRun): Promise<Buffer | undefined> {
  const { portal, maxRows } = run;
  const plan = portal.planned?.plan;
  if (core.transaction.failed && !endsFailed(plan)) {
    throw failure("25P02", "current transaction is aborted, commands ignored until end of transaction block");
  }
  if (maxRows !== undefined && portal.finished === true) return commandComplete("SELECT 0");
  if (maxRows !== undefined && portal.answer !== undefined) return await continueAnswer(core, run, portal.answer, maxRows);
  if (plan === undefined) return (await tellOwn(core, run)) ? emptyQueryResponse : undefined;
  const { text, node } = portal.planned!.statement;
  switch (plan.kind) {
    case "refused":
      if (plan.unknownRelation !== undefined) await failAsServer(core, run, plan.unknownRelation.name);
      throw failure("0A000", plan.reason, { hint: plan.remedy });
    case "transaction":
      return (await tellOwn(core, run)) ? commandComplete(await runTransactionPlan(core, plan, text, node)) : undefined;
    case "session":
      if (plan.action === "set-config") return await setConfig(core, run, plan);
      return (await tellOwn(core, run)) ? commandComplete(await runSessionPlan(core, plan as KeptPlan, text)) : undefined;
    case "routed":
      return plan.alone ? await withoutTransaction(core, run, plan) : await runRouted(core, run, plan);
    case "split-insert":
      return await runSplit(core, run, plan);
    case "insert-everywhere":
      return await runEverywhere(core, run, plan);
    case "copy-in":
      return (await tellOwn(core, run)) ? await runCopyIn(core, run, shardsOfCopy(core, plan), text, plan) : undefined;
  }
}

/** ROLLBACK, COMMIT, ROLLBACK TO: what a failed transaction can still do. */
function endsFailed(plan: StatementPlan | undefined): boolean {
  return plan?.kind === "transaction" && (plan.action === "commit" || plan.action === "rollback" || plan.action === "rollback-to");
}

/** What the client waits for before the execution of something without rows; true if it is to be executed. */
async function tellOwn(core: SessionCore, run: StatementRun): Promise<boolean> {
  await tellBound(core, run, []);
  if (run.describe) core.output.push(noData);
  return run.maxRows !== undefined;
}

async function runRouted(core: SessionCore, run: StatementRun, plan: RoutedPlan): Promise<Buffer | undefined> {
  const { portal, maxRows } = run;
  const { node, text } = portal.planned!.statement;
  const shards = portal.shards.length > 0 ? portal.shards : resolveShards(core, plan, portal);
  const copy = as(node, "CopyStmt");
  // A shard that is told by the client.
  if (copy?.is_from === true) return (await tellOwn(core, run)) ? await runCopyIn(core, run, shards, text, undefined) : undefined;
  const sessions = await enlist(core, run, shards, plan.writes || NOTIFIES.test(text));
  if (NOTIFIES.test(text) && core.transaction.mode !== "none") for (const session of sessions) session.unpreparable = true;
  if (plan.everywhere.length > 0 && maxRows !== undefined) lockTables(core, sessions[0]!, plan.everywhere);
  let end: Buffer | undefined;
  if (sessions.length === 1) end = await runOnOne(core, run, sessions[0]!, clientText(portal));
  else if (copy !== undefined) {
    if (!(await tellOwn(core, run))) return undefined;
    end = await copyOut(core, text, sessions);
    await finishAll(sessions);
  } else end = await gathered(core, run, sessions, await openOnSeveral(core, run, routedGatherPlan(plan, portal, sessions), maxRows));
  if (maxRows !== undefined) await after(core, plan, sessions);
  return end;
}

/** What a statement that has succeeded means for those to come. */
async function after(core: SessionCore, plan: RoutedPlan, sessions: readonly ShardSession[]): Promise<void> {
  const { transaction } = core;
  if (plan.declares !== undefined) {
    const { cursor, hold } = plan.declares;
    core.cursors.set(cursor, { shard: sessions[0]!.shard, hold });
    if (hold) for (const session of sessions) session.unpreparable = true;
  }
  if (!plan.definesSchema) return;
  if (transaction.mode === "none") await readCatalog(core);
  else {
    transaction.definesSchema = true;
    core.schemaChanged();
  }
}

async function runSplit(core: SessionCore, run: StatementRun, plan: Extract<StatementPlan, { kind: "split-insert" }>): Promise<Buffer | undefined> {
  const { portal } = run;
  const shardOfRow = shardsOfRows(plan, portal);
  const shards = [...new Set(shardOfRow)].sort((a, b) => a - b);
  const sessions = await enlist(core, run, shards, true);
  if (sessions.length === 1) return await runOnOne(core, run, sessions[0]!, clientText(portal));
  return await gathered(core, run, sessions, await openOnSeveral(core, run, splitGatherPlan(plan, portal, sessions, shardOfRow), run.maxRows));
}

async function runEverywhere(core: SessionCore, run: StatementRun, plan: Extract<StatementPlan, { kind: "insert-everywhere" }>): Promise<Buffer | undefined> {
  const sessions = await enlist(core, run, core.everyShard, true);
  lockTables(core, sessions[0]!, [plan.table]);
  // What is queued on them goes with what they are to insert, which may be nothing.
  await together(sessions.slice(1), (session) => session.flushed());
  return await gathered(core, run, sessions, await openInsertEverywhere(core, run, plan, sessions, run.maxRows));
}

/** @param plan undefined where all rows go to all of the shards */
async function runCopyIn(core: SessionCore, run: StatementRun, shards: readonly number[], text: string, plan: CopyInPlan | undefined): Promise<Buffer> {
  const sessions = await enlist(core, run, shards, true);
  if (plan !== undefined && plan.everywhere.length > 0) lockTables(core, sessions[0]!, plan.everywhere);
  const end = await copyIn(core, plan, text, sessions);
  await finishAll(sessions);
  return end;
}

/** The sessions of these shards; in a transaction, where the statement has to be in one. */
async function enlist(core: SessionCore, { alone, maxRows }: StatementRun, shards: readonly number[], writes: boolean): Promise<ShardSession[]> {
  const several = shards.length > 1 && (writes || (maxRows ?? 0) > 0);
  if (core.transaction.mode === "none" && (!alone || several)) core.transaction.beginImplicit();
  return await core.enlist(shards, writes);
}

/** Executes what was opened, if it is to be. */
async function gathered(core: SessionCore, run: StatementRun, sessions: readonly ShardSession[], answer: GatheredAnswer | undefined): Promise<Buffer | undefined> {
  if (answer === undefined || run.maxRows === undefined) {
    await finishAll(sessions);
    return undefined;
  }
  run.portal.answer = answer;
  const end = await giveRows(core, run.portal, answer, run.maxRows);
  await finishAll(sessions);
  return end;
}

async function continueAnswer(core: SessionCore, run: StatementRun, answer: GatheredAnswer, maxRows: number): Promise<Buffer> {
  const sessions = await core.enlist(run.portal.shards, false);
  await together(sessions, (session) => session.flushed());
  const end = await giveRows(core, run.portal, answer, maxRows);
  await finishAll(sessions);
  return end;
}

/** Up to ReadyForQuery of all; what fails as late as that fails. */
async function finishAll(sessions: readonly ShardSession[]): Promise<void> {
  const failures = await together(sessions, (session) => session.finish());
  const failed = failures.find((error) => error !== undefined);
  if (failed !== undefined) throw failed;
}

/** VACUUM, CREATE INDEX CONCURRENTLY: never inside of a transaction. */
async function withoutTransaction(core: SessionCore, run: StatementRun, plan: RoutedPlan): Promise<Buffer | undefined> {
  const { portal, alone } = run;
  if (!(await tellOwn(core, run))) return undefined;
  if (core.transaction.mode !== "none" || !alone) throw failure("25001", "this statement cannot run inside a transaction block", { hint: "Send it by itself." });
  const shards = resolveShards(core, plan, portal);
  const end = await runAlone(core, portal.planned!.statement.text, await core.enlist(shards, true));
  await after(core, plan, []);
  return end;
}

/** A shard answers; for the others the value is kept. */
async function setConfig(core: SessionCore, run: StatementRun, plan: Extract<StatementPlan, { action: "set-config" }>): Promise<Buffer | undefined> {
  const { portal, maxRows } = run;
  const joined = core.shards.joined.map(({ shard }) => shard);
  const shards = joined.length > 0 ? joined : [core.shards.open[0]?.shard ?? 0];
  const sessions = await enlist(core, run, shards, false);
  const setting = settingOf(plan, portal);
  const end = await runOnOne(core, run, sessions[0]!, clientText(portal));
  if (maxRows === undefined) return end;
  const others = sessions.slice(1);
  await together(others, (session) => session.execute(setting.statement));
  keepSetting(core, plan.name, setting.value, plan.isLocal, setting.statement);
  return end;
}

/** What PostgreSQL itself says of a relation that is not there. */
async function failAsServer(core: SessionCore, { portal }: StatementRun, relation: string): Promise<void> {
  await lookAt(core, { ...portal.prepared, id: core.statements.nextId(), named: false }, { parse: false, describe: false });
  throw failure("42P01", `relation "${relation}" does not exist`);
}
