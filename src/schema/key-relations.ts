import { type Draft, relationKey } from "./draft.js";

/**
 * The indexes (`relationKey`) that replica identities name, and those of partitions that complete such an index: they
 * are built with the keys.
 */
export function keyRelations(drafts: readonly Draft[]): Set<string> {
  const keys = new Set<string>();
  for (const draft of drafts) {
    if (draft.identityIndex !== undefined) keys.add(relationKey(draft.identityIndex));
  }
  const attachments = drafts.filter((draft) => draft.kind === "index attachment").map((draft) => draft.attaches!);
  for (let before = -1; before !== keys.size; ) {
    before = keys.size;
    for (const { parent, child } of attachments) if (keys.has(relationKey(parent))) keys.add(relationKey(child));
  }
  return keys;
}
