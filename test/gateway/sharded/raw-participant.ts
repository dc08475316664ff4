import type { Participant } from "../../../src/gateway/sharded/two-phase-commit.js";
import { parseCommandComplete, parseErrorResponse } from "../../../src/wire/backend-messages.js";
import { queryMessage } from "../../../src/wire/frontend-messages.js";
import { Backend } from "../../../src/wire/message.js";
import type { RawSession } from "./raw-session.js";

/** A shard of a two-phase commit, over a session of its own. */
export function rawParticipant(session: RawSession, shard: number, identity: string): Participant {
  return {
    shard,
    identity,
    async execute(...statements) {
      let tag = "";
      for (const statement of statements) {
        await session.send(queryMessage(statement));
        const messages = await session.untilReady();
        const failed = messages.find(({ type }) => type === Backend.errorResponse);
        if (failed !== undefined) throw parseErrorResponse(failed);
        tag = parseCommandComplete(messages.find(({ type }) => type === Backend.commandComplete)!);
      }
      return tag;
    },
  };
}
