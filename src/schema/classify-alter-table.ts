import type { TableName } from "../postgres/identifiers.js";
import { type Draft, objectKey, relationKey } from "./draft.js";
import type { Phase } from "./schema-plan.js";
import { as, type Fields, relationName, roleNames } from "./syntax-tree.js";

/** Phase, kind and reason per kind of constraint; those that are absent stay with their table. */
const CONSTRAINTS: Readonly<Record<string, readonly [Phase, kind: string, reason: string]>> = {
  CONSTR_PRIMARY: ["key", "primary key", "built right after the table's rows"],
  CONSTR_UNIQUE: ["post", "unique constraint", "quicker to build once the rows are there"],
  CONSTR_EXCLUSION: ["post", "exclusion constraint", "quicker to build once the rows are there"],
  CONSTR_FOREIGN: ["post", "foreign key", "rows arrive in any order"],
  CONSTR_CHECK: ["post", "check constraint", "rows that exist are not checked against it"],
  CONSTR_NOTNULL: ["post", "not null constraint", "rows that exist are not checked against it"],
};

/** ALTER TABLE, and what shares its grammar: ALTER INDEX, SEQUENCE, VIEW, MATERIALIZED VIEW. pg_dump gives each one action. */
export function classifyAlterTable(alter: Fields<"AlterTableStmt">): Draft {
  const table = relationName(alter.relation);
  const command = as(alter.cmds?.[0], "AlterTableCmd");
  const subtype = command?.subtype ?? "";
  const base = { object: table, table, follows: [relationKey(table)] };
  const pre = (kind: string, reason: string): Draft => ({ ...base, phase: "pre", kind, reason });
  const post = (kind: string, reason: string): Draft => ({ ...base, phase: "post", kind, reason });

  switch (subtype) {
    case "AT_AddConstraint":
      return addConstraint(table, as(command?.def, "Constraint"));
    case "AT_AttachPartition":
      return attachPartition(alter, table, relationName(as(command?.def, "PartitionCmd")?.name));
    case "AT_ReplicaIdentity": {
      const index = as(command?.def, "ReplicaIdentityStmt")?.name;
      return {
        ...base,
        phase: "key",
        kind: "replica identity",
        reason: "updates and deletes name rows by it",
        ...(index === undefined ? {} : { identityIndex: { schema: table.schema, name: index } }),
      };
    }
    case "AT_AddIdentity":
      return { ...pre("identity", "belongs to the table"), presence: { type: "identity column", table, name: command?.name ?? "" } };
    case "AT_ColumnDefault":
      return pre("default", "belongs to the table");
    case "AT_ChangeOwner":
      return { ...pre("owner", "belongs to its object"), roles: roleNames(command?.newowner === undefined ? [] : [{ RoleSpec: command.newowner }]) };
    case "AT_EnableRowSecurity":
    case "AT_ForceRowSecurity":
      return pre("row security", "row security stands before rows do");
    case "AT_ClusterOn":
      return { ...post("clustering", "names an index"), follows: [...base.follows, relationKey({ schema: table.schema, name: command?.name ?? "" })] };
  }
  if (/^AT_(Enable|Disable)\w*Trig/.test(subtype)) return post("trigger state", "belongs to a trigger");
  if (/^AT_(Enable|Disable)\w*Rule/.test(subtype)) return post("rule state", "belongs to a rule");
  return pre(`${(alter.objtype ?? "OBJECT_TABLE").replace("OBJECT_", "").toLowerCase()} setting`, "belongs to its object");
}

function addConstraint(table: TableName, constraint: Fields<"Constraint"> | undefined): Draft {
  const name = constraint?.conname ?? "";
  const [phase, kind, reason] = CONSTRAINTS[constraint?.contype ?? ""] ?? ["post", "constraint", "rows that exist are not checked against it"];
  const object = { schema: table.schema, name };
  return {
    phase,
    kind,
    reason,
    object,
    table,
    presence: { type: "constraint", table, name },
    // Primary keys and the like also make the index of their name.
    makes: [objectKey("constraint", table.schema, table.name, name), relationKey(object)],
    follows: [relationKey(table)],
  };
}

function attachPartition(alter: Fields<"AlterTableStmt">, parent: TableName, child: TableName): Draft {
  const index = alter.objtype === "OBJECT_INDEX";
  return {
    phase: index ? "post" : "pre",
    kind: index ? "index attachment" : "partition",
    reason: index ? "completes the index of a partitioned table" : "belongs to the table",
    object: child,
    ...(index ? {} : { table: child }),
    presence: { type: "partition", parent, child },
    follows: [relationKey(parent), relationKey(child)],
    attaches: { parent, child },
  };
}
