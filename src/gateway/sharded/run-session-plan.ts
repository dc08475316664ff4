import type { SessionPlan } from "../planning/statement-plan.js";
import { changeChannel } from "./listen-to.js";
import { failure } from "./failure.js";
import { forgetOnShards, prepareByName } from "./prepare.js";
import type { SessionCore } from "./session-core.js";
import { settingName, withSetting } from "./session-settings.js";
import { together } from "./together.js";
import { afterResetAll } from "./transaction.js";

/** What is not kept here but run as another statement: see `portalOf`. */
export type KeptPlan = Exclude<SessionPlan, { readonly action: "set-config" | "execute" }>;

/**
 * SET, LISTEN, PREPARE and the like.
 * @returns the command's tag
 */
export async function runSessionPlan(core: SessionCore, plan: KeptPlan, text: string): Promise<string> {
  switch (plan.action) {
    case "set":
      return await setOnShards(core, plan.name, plan.value, plan.isLocal, text);
    case "route":
      return route(core, plan.name, plan.value, plan.isLocal);
    case "reset-all":
      return await resetAll(core, text);
    case "discard-all":
      return await discardAll(core, text);
    case "transaction-mode":
      return await transactionMode(core, text);
    case "listen":
      await changeChannel(core, { listen: true, channel: plan.channel });
      return "LISTEN";
    case "unlisten":
    case "unlisten-all":
      await changeChannel(core, { listen: false, ...("channel" in plan ? { channel: plan.channel } : {}) });
      return "UNLISTEN";
    case "notify":
      return await notify(core, text);
    case "prepare":
      await prepareByName(core, plan, text);
      return "PREPARE";
    case "deallocate": {
      const prepared = core.statements.get(plan.name);
      if (prepared === undefined) throw failure("26000", `prepared statement "${plan.name}" does not exist`);
      core.statements.delete(plan.name);
      forgetOnShards(core, prepared);
      return "DEALLOCATE";
    }
    case "deallocate-all":
      for (const [, prepared] of core.statements.named) forgetOnShards(core, prepared);
      core.statements.clear();
      return "DEALLOCATE ALL";
  }
}

/** The setting is kept; `text` is undefined where shards know nothing of it. */
export function keepSetting(core: SessionCore, name: string, value: string | undefined, isLocal: boolean, text: string | undefined): void {
  const { transaction } = core;
  const change = { name: settingName(name), value, isLocal };
  if (transaction.mode !== "none") transaction.set(change, text);
  else if (!isLocal) core.settings = withSetting(core.settings, change.name, value);
}

async function setOnShards(core: SessionCore, name: string, value: string | undefined, isLocal: boolean, text: string): Promise<string> {
  const { transaction, shards } = core;
  if (transaction.mode === "none") {
    if (isLocal) {
      core.warn("25P01", "SET LOCAL can only be used in transaction blocks");
      return "SET";
    }
    // One shard says whether it is right; the others are told when they are needed.
    const [session] = await core.enlist([shards.open[0]?.shard ?? 0], false);
    const tag = await session!.execute(text);
    keepSetting(core, name, value, isLocal, text);
    session!.applied = withSetting(session!.applied, settingName(name), value);
    // With a value reset, or one that resets others, it may need more.
    if (value !== undefined && !["role", "session_authorization"].includes(settingName(name))) session!.settings = core.settings;
    return tag;
  }
  const tag = await onJoined(core, text);
  keepSetting(core, name, value, isLocal, text);
  return tag;
}

function route(core: SessionCore, name: "shard" | "sharding_key", value: string | undefined, isLocal: boolean): string {
  if (isLocal && core.transaction.mode === "none") core.warn("25P01", "SET LOCAL can only be used in transaction blocks");
  keepSetting(core, `pgdog.${name}`, value, isLocal, undefined);
  // The last word counts.
  if (value !== undefined) keepSetting(core, name === "shard" ? "pgdog.sharding_key" : "pgdog.shard", undefined, isLocal, undefined);
  return value === undefined ? "RESET" : "SET";
}

async function resetAll(core: SessionCore, text: string): Promise<string> {
  if (core.transaction.mode === "none") {
    core.settings = afterResetAll(core.settings);
    // The client is told what is other now.
    await core.enlist([core.shards.open[0]?.shard ?? 0], false);
  } else {
    await onJoined(core, text);
    core.transaction.resetAll(text);
  }
  return "RESET";
}

async function discardAll(core: SessionCore, text: string): Promise<string> {
  const { transaction, shards, statements } = core;
  if (transaction.mode !== "none") throw failure("25001", "DISCARD ALL cannot run inside a transaction block");
  await together(shards.open, async (session) => {
    await session.execute(text);
    session.prepared.clear();
    session.applied = new Map();
    session.settings = undefined;
  });
  core.settings = new Map();
  core.cursors.clear();
  core.channels = new Set();
  statements.clear();
  return "DISCARD ALL";
}

async function transactionMode(core: SessionCore, text: string): Promise<string> {
  const { transaction, shards } = core;
  const tag = /^\s*(?:\/\*[^]*?\*\/\s*|--[^\n]*\n\s*)*set\s+constraints\b/i.test(text) ? "SET CONSTRAINTS" : "SET";
  if (transaction.mode === "none") {
    core.warn("25P01", `${tag === "SET" ? "SET TRANSACTION" : tag} can only be used in transaction blocks`);
    return tag;
  }
  await together(shards.joined, (session) => session.execute(text));
  transaction.statement(text);
  return tag;
}

/** On the first shard: who listens does so on all of them, and hears it once. */
async function notify(core: SessionCore, text: string): Promise<string> {
  const [session] = await core.enlist([0], true);
  session!.unpreparable = core.transaction.mode !== "none";
  return await session!.execute(text);
}

/** On all shards of the transaction, one at least. */
async function onJoined(core: SessionCore, text: string): Promise<string> {
  const joined = core.shards.joined.map(({ shard }) => shard);
  const sessions = await core.enlist(joined.length > 0 ? joined : [core.anyShard()], false);
  const tags = await together(sessions, (session) => session.execute(text));
  return tags[0]!;
}
