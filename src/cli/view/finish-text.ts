import type { FinishResult } from "../../pipelines/finish.js";
import { printable } from "./fit.js";

/** What `finish` did, for people. */
export function finishText({ migration, known, droppedSlots, droppedProgress, keptFor }: FinishResult): string {
  const lines: string[] = [];
  if (!known) lines.push(`The journal knows no migration ${migration}: there is no slot to drop.`);
  else if (droppedSlots.length === 0) lines.push(`${migration} is finished; its slot was gone already.`);
  else lines.push(`${migration} is finished; dropped the slot ${droppedSlots.join(", ")}.`);
  if (droppedProgress.length > 0) lines.push(`Dropped the schema reshard on ${droppedProgress.join(", ")}.`);
  if (keptFor.length > 0) lines.push(`Other migrations still need the schema reshard: ${keptFor.join(", ")}. Removed this one's progress from it.`);
  return `${lines.map((line) => printable(line)).join("\n")}\n`;
}
