import type { TableName } from "../postgres/identifiers.js";
import type { Presence } from "./presence.js";
import type { Phase } from "./schema-plan.js";

/** What one statement says by itself, before the others are known. */
export interface Draft {
  readonly phase: Phase;
  readonly kind: string;
  readonly reason: string;
  readonly object?: TableName;
  readonly table?: TableName;
  readonly roles?: readonly string[];
  readonly presence?: Presence;
  /** Set where the statement is rewritten. */
  readonly sql?: string;
  /** Objects it makes (`objectKey`). */
  readonly makes?: readonly string[];
  /** Objects it cannot run before, and is pointless without. */
  readonly follows?: readonly string[];
  /** The index that a replica identity names. */
  readonly identityIndex?: TableName;
  /** ATTACH PARTITION: which is attached to which. */
  readonly attaches?: { readonly parent: TableName; readonly child: TableName };
}

/** The classes of objects that statements are tied together by. */
export type ObjectClass = "relation" | "constraint" | "trigger" | "rule" | "policy" | "routine" | "type" | "statistics" | (string & {});

/** Names one object of a dump. Overloads of a routine count as one: they then share the latest phase. */
export function objectKey(objectClass: ObjectClass, ...parts: readonly string[]): string {
  return JSON.stringify([objectClass, ...parts]);
}

export function relationKey(name: TableName): string {
  return objectKey("relation", name.schema, name.name);
}
