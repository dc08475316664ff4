import { emptyQueryResponse } from "../../wire/backend-messages.js";
import { commitTransaction } from "./end-transaction.js";
import { syntaxError } from "./failure.js";
import { portalOfQuery } from "./portal-of.js";
import { runPortal } from "./run-portal.js";
import type { SessionCore } from "./session-core.js";

/**
 * A Query: its statements one after another, in one transaction unless they say otherwise.
 *
 * Fails with the error of the first that does.
 */
export async function runQuery(core: SessionCore, text: string): Promise<void> {
  const { output, statements, transaction } = core;
  // As PostgreSQL has it: a Query takes the unnamed ones' place.
  statements.delete("");
  statements.deletePortal("");
  const parsed = await core.plan(text);
  if ("failure" in parsed) throw syntaxError(parsed.failure);
  const texts = parsed.statements.map(({ statement }) => statement.text);
  if (texts.length === 0) output.push(emptyQueryResponse);
  for (const [index, statement] of texts.entries()) {
    core.notices.clear();
    // Planned when it is its turn: those before it may have changed the schema or the settings.
    const portal = await portalOfQuery(core, statement);
    const end = await runPortal(core, { portal, simple: true, tellParse: false, tellBind: false, describe: false, maxRows: 0, alone: texts.length === 1 });
    // The client may take the last one's tag for success.
    if (index === texts.length - 1 && transaction.mode === "implicit") await commitTransaction(core);
    if (end !== undefined) output.push(end);
    if (output.full) await output.flush();
  }
}
