import { parseRowDescription } from "../../wire/backend-messages.js";
import { describeMessage } from "../../wire/frontend-messages.js";
import { Backend } from "../../wire/message.js";
import { clientParse, expectParse, nameOnShards, queueParse } from "./bind-on-shard.js";
import { sessionToAsk } from "./prepare.js";
import type { Prepared } from "./prepared-statements.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";

/**
 * OIDs of the types of a prepared statement's columns, as the client knows them.
 *
 * Fails with the shard's error where it could not be executed.
 */
export async function resultTypesOf(core: SessionCore, prepared: Prepared): Promise<number[]> {
  const session = await sessionToAsk(core);
  try {
    return await described(session, prepared);
  } finally {
    await session.finish();
  }
}

async function described(session: ShardSession, prepared: Prepared): Promise<number[]> {
  const parsed = queueParse(session, prepared, clientParse(prepared));
  session.queue(describeMessage({ kind: "statement", name: nameOnShards(prepared, "as-it-is") }));
  await session.sync();
  await expectParse(session, prepared, "as-it-is", parsed);
  await session.expect(Backend.parameterDescription);
  const rows = await session.next();
  return rows.type === Backend.rowDescription ? session.types.fields(parseRowDescription(rows)).map(({ typeOid }) => typeOid) : [];
}
