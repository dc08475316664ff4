import { type Draft, objectKey } from "./draft.js";
import { type Fields, nameParts, type Node, qualified, roleNames } from "./syntax-tree.js";

/** COMMENT ON: goes where its object goes. */
export function classifyComment(comment: Fields<"CommentStmt">): Draft {
  return attachment("comment", comment.objtype, comment.object);
}

export function classifySecurityLabel(label: Fields<"SecLabelStmt">): Draft {
  return attachment("security label", label.objtype, label.object);
}

/** ALTER … OWNER TO, for what is not a relation. */
export function classifyOwner(owner: Fields<"AlterOwnerStmt">): Draft {
  return { ...attachment("owner", owner.objectType, owner.object), roles: roleNames(owner.newowner === undefined ? [] : [{ RoleSpec: owner.newowner }]) };
}

/** GRANT and REVOKE; pg_dump names one object in each. */
export function classifyGrant(grant: Fields<"GrantStmt">): Draft {
  return { ...attachment("grant", grant.objtype, grant.objects?.[0]), roles: roleNames(grant.grantees ?? []) };
}

function attachment(kind: string, objectType: string | undefined, node: Node | undefined): Draft {
  if (objectType === "OBJECT_LARGEOBJECT") return { phase: "skip", kind, reason: "large objects are not carried" };
  if (objectType === "OBJECT_DATABASE") return { phase: "skip", kind, reason: "the destination's database is its own" };
  const parts = nameParts(node);
  return { phase: "pre", kind, reason: "belongs to its object", object: objectName(objectType, parts), follows: [attachedTo(objectType ?? "", parts)] };
}

/** Whose last part is the name of something inside a table. */
const INSIDE_TABLE: Readonly<Record<string, string>> = {
  OBJECT_TABCONSTRAINT: "constraint",
  OBJECT_DOMCONSTRAINT: "constraint",
  OBJECT_TRIGGER: "trigger",
  OBJECT_RULE: "rule",
  OBJECT_POLICY: "policy",
};

const CLASSES: Readonly<Record<string, string>> = {
  OBJECT_TABLE: "relation",
  OBJECT_INDEX: "relation",
  OBJECT_SEQUENCE: "relation",
  OBJECT_VIEW: "relation",
  OBJECT_MATVIEW: "relation",
  OBJECT_FOREIGN_TABLE: "relation",
  OBJECT_FUNCTION: "routine",
  OBJECT_PROCEDURE: "routine",
  OBJECT_ROUTINE: "routine",
  OBJECT_AGGREGATE: "routine",
  OBJECT_TYPE: "type",
  OBJECT_DOMAIN: "type",
  OBJECT_STATISTIC_EXT: "statistics",
  OBJECT_EVENT_TRIGGER: "event trigger",
  OBJECT_PUBLICATION: "publication",
  OBJECT_SUBSCRIPTION: "subscription",
  OBJECT_FOREIGN_SERVER: "foreign server",
};

function attachedTo(objectType: string, parts: readonly string[]): string {
  if (objectType === "OBJECT_COLUMN") return objectKey("relation", ...parts.slice(0, -1));
  const objectClass = INSIDE_TABLE[objectType] ?? CLASSES[objectType] ?? objectType;
  return objectKey(objectClass, ...parts);
}

function objectName(objectType: string | undefined, parts: readonly string[]): { schema: string; name: string } {
  const inside = objectType === "OBJECT_COLUMN" || INSIDE_TABLE[objectType ?? ""] !== undefined;
  return inside ? { schema: parts[0] ?? "", name: parts.slice(1).join(".") } : qualified(parts);
}
