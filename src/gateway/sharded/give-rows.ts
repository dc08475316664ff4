import { commandComplete, portalSuspended } from "../../wire/backend-messages.js";
import type { GatheredAnswer } from "./gathered-answer.js";
import type { Portal } from "./prepared-statements.js";
import type { SessionCore } from "./session-core.js";

/**
 * Gives the client rows of a gathered answer, at most `maxRows` (0: all).
 * @returns the message that ends what was given: CommandComplete or PortalSuspended
 */
export async function giveRows(core: SessionCore, portal: Portal, answer: GatheredAnswer, maxRows: number): Promise<Buffer> {
  const { output } = core;
  let given = 0n;
  while (maxRows === 0 || given < maxRows) {
    const { value, done } = await answer.rows.next();
    if (done === true) {
      portal.finished = true;
      return commandComplete(answer.tag(given));
    }
    given++;
    output.push(value);
    if (output.full) await output.flush();
  }
  await Promise.all(answer.parts.map((part) => part.park()));
  return portalSuspended;
}
