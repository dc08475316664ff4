import { commandComplete, copyDone } from "../../wire/backend-messages.js";
import { Backend } from "../../wire/message.js";
import type { CopyInPlan } from "../planning/statement-plan.js";
import { addTags } from "./command-tag.js";
import { feedCopy, toAll } from "./copy-in.js";
import { passMany } from "./run-on-one.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";
import { CopySplitter } from "./split-copy.js";
import { together } from "./together.js";

/**
 * COPY FROM STDIN: the client's rows to their shards.
 * @param plan undefined: all rows to all of the shards
 * @param sessions of the plan's shards
 * @returns CommandComplete
 */
export async function copyIn(core: SessionCore, plan: CopyInPlan | undefined, text: string, sessions: readonly ShardSession[]): Promise<Buffer> {
  const [first, ...others] = sessions as [ShardSession, ...ShardSession[]];
  // Where writers of a table exclude each other, the first shard's lock is taken before the others begin.
  const response = await beginCopy(first, text, Backend.copyInResponse);
  await together(others, (session) => beginCopy(session, text, Backend.copyInResponse));
  const byKey = plan?.where.kind === "key" ? new CopySplitter(plan, plan.where, sessions.length) : undefined;
  const tags = await feedCopy(core, sessions, response, byKey ?? toAll(sessions.length));
  return commandComplete(byKey === undefined ? tags[0]! : addTags(tags));
}

/** COPY TO STDOUT of several shards, in text: their lines one after another. */
export async function copyOut(core: SessionCore, text: string, sessions: readonly ShardSession[]): Promise<Buffer> {
  const responses = await together(sessions, (session) => beginCopy(session, text, Backend.copyOutResponse));
  core.output.push(responses[0]!.bytes);
  const tags: string[] = [];
  for (const session of sessions) {
    for (let message = await session.next(); message.type !== Backend.copyDone; message = await session.next()) await passMany(core, session, message);
    tags.push((await session.expect(Backend.commandComplete)).bytes.toString("utf8", 5).replace(/\0$/, ""));
  }
  core.output.push(copyDone);
  return commandComplete(addTags(tags));
}

/** COPY is sent as a Query: a Sync behind it would be overlooked. */
async function beginCopy(session: ShardSession, text: string, response: number): ReturnType<ShardSession["expect"]> {
  await session.query(text);
  return await session.expect(response);
}
