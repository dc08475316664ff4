import { classifyAlterTable } from "./classify-alter-table.js";
import { classifyComment, classifyGrant, classifyOwner, classifySecurityLabel } from "./classify-attachment.js";
import { type Draft, objectKey, relationKey } from "./draft.js";
import type { Presence } from "./presence.js";
import { as, type Fields, nameParts, type Node, type NodeType, qualified, relationName, roleNames } from "./syntax-tree.js";

/** duplicate_object, duplicate_function (utils/errcodes.txt): for kinds whose name alone does not identify them. */
const BY_ERROR: Presence = { type: "by error", states: ["42710", "42723"] };
/** Text search objects are checked by the catalog's unique index alone: unique_violation. */
const BY_CATALOG_INDEX: Presence = { type: "by error", states: ["42710", "23505"] };

type Classifier<T extends NodeType> = (fields: Fields<T>, sql: string) => Draft;

const classifiers: { readonly [T in NodeType]?: Classifier<T> } = {
  VariableSetStmt: classifySetting,
  SelectStmt: (select) => {
    const target = as(select.targetList?.[0], "ResTarget");
    const call = nameParts(as(target?.val, "FuncCall")?.funcname).at(-1);
    return call === "set_config" ? skip("setting", "the session sets this itself") : unknown();
  },
  CreateSubscriptionStmt: (create) => named(skip("subscription", "subscriptions are not carried: a shard must not subscribe by itself"), "subscription", create.subname),
  AlterSubscriptionStmt: () => skip("subscription", "subscriptions are not carried"),
  CreateForeignServerStmt: (create) => named(skip("foreign server", "foreign servers are not carried"), "foreign server", create.servername),
  AlterForeignServerStmt: () => skip("foreign server", "foreign servers are not carried"),
  CreateUserMappingStmt: () => skip("user mapping", "foreign servers are not carried"),
  CreateForeignTableStmt: (create) => {
    const name = relationName(create.base?.relation);
    return { ...skip("foreign table", "foreign servers are not carried"), object: name, makes: [relationKey(name)] };
  },

  CreateSchemaStmt: (create) => ({
    ...pre("schema", "everything else lives in it"),
    object: { schema: "", name: create.schemaname ?? "" },
    presence: { type: "schema", name: create.schemaname ?? "" },
    roles: roleNames(create.authrole === undefined ? [] : [{ RoleSpec: create.authrole }]),
  }),
  CreateExtensionStmt: (create) => ({
    ...pre("extension", "brings types and functions that tables use"),
    object: { schema: "", name: create.extname ?? "" },
    presence: { type: "extension", name: create.extname ?? "" },
  }),
  CreateEnumStmt: (create) => type("type", create.typeName),
  CreateRangeStmt: (create) => type("type", create.typeName),
  CompositeTypeStmt: (create) => type("type", [{ RangeVar: create.typevar ?? {} }]),
  CreateDomainStmt: (create) => type("domain", create.domainname),
  DefineStmt: (define, sql) => {
    if (define.kind === "OBJECT_TYPE") return type("type", define.defnames, define.definition === undefined);
    const object = qualified(nameParts(define.defnames));
    if (define.kind === "OBJECT_AGGREGATE") return { ...routine("aggregate", object, sql) };
    return { ...pre(words(define.kind), "tables, views and indexes may use it"), object, presence: define.kind?.startsWith("OBJECT_TS") === true ? BY_CATALOG_INDEX : BY_ERROR };
  },
  CreateFunctionStmt: (create, sql) => routine(create.is_procedure === true ? "procedure" : "function", qualified(nameParts(create.funcname)), sql),
  CreatePLangStmt: (create) => exotic("language", create.plname),
  CreateCastStmt: () => exotic("cast"),
  CreateTransformStmt: () => exotic("transform"),
  CreateConversionStmt: () => exotic("conversion"),
  CreateAmStmt: (create) => exotic("access method", create.amname),
  CreateFdwStmt: (create) => exotic("foreign data wrapper", create.fdwname),
  CreateOpClassStmt: () => exotic("operator class"),
  CreateOpFamilyStmt: () => exotic("operator family"),
  AlterOpFamilyStmt: () => exotic("operator family"),
  AlterTSConfigurationStmt: () => ({ ...exotic("text search configuration"), presence: BY_CATALOG_INDEX }),

  CreateSeqStmt: (create) => relation("sequence", relationName(create.sequence), "defaults draw from it"),
  AlterSeqStmt: (alter) => ({
    ...pre("sequence ownership", "a sequence belongs to its column"),
    object: relationName(alter.sequence),
    follows: [relationKey(relationName(alter.sequence))],
  }),
  CreateStmt: (create) => relation("table", relationName(create.relation), "rows need it"),
  ViewStmt: (create) => {
    const name = relationName(create.view);
    if (create.replace !== true) return relation("view", name, "needs no rows");
    // pg_dump puts NULLs in place of a view that groups by a primary key, and the view itself after the keys.
    return { ...post("view", "depends on a primary key"), object: name, table: name, follows: [relationKey(name)] };
  },
  CreateTableAsStmt: (create) => relation("materialized view", relationName(create.into?.rel), "made empty; refreshed after the rows"),

  IndexStmt: (create) => {
    const table = relationName(create.relation);
    const object = { schema: table.schema, name: create.idxname ?? "" };
    return {
      ...post("index", "quicker to build once the rows are there"),
      object,
      table,
      presence: { type: "index", name: object },
      makes: [relationKey(object)],
      follows: [relationKey(table)],
    };
  },
  CreateTrigStmt: (create) => ofTable("trigger", relationName(create.relation), create.trigname, "must not fire while rows arrive"),
  RuleStmt: (create) => ofTable("rule", relationName(create.relation), create.rulename, "must not rewrite while rows arrive"),
  CreatePolicyStmt: (create) => ({
    ...ofTable("policy", relationName(create.table), create.policy_name, "row security stands before rows do"),
    phase: "pre",
    roles: roleNames(create.roles ?? []),
  }),
  CreateStatsStmt: (create) => {
    const object = qualified(nameParts(create.defnames));
    const table = relationName(as(create.relations?.[0], "RangeVar"));
    return {
      ...post("statistics", "of use once there are rows"),
      object,
      table,
      presence: { type: "statistics", name: object },
      makes: [objectKey("statistics", object.schema, object.name)],
      follows: [relationKey(table)],
    };
  },
  AlterStatsStmt: (alter) => ({ ...post("statistics", "of use once there are rows"), object: qualified(nameParts(alter.defnames)) }),
  CreateEventTrigStmt: (create) => ({
    ...named(post("event trigger", "must not fire while the schema is made"), "event trigger", create.trigname),
    presence: { type: "event trigger", name: create.trigname ?? "" },
  }),
  AlterEventTrigStmt: (alter) => ({ ...post("event trigger", "belongs to an event trigger"), object: { schema: "", name: alter.trigname ?? "" }, follows: [objectKey("event trigger", alter.trigname ?? "")] }),
  AlterDomainStmt: (alter) => {
    const domain = qualified(nameParts(alter.typeName));
    const name = as(alter.def, "Constraint")?.conname;
    if (name === undefined) return { ...pre("domain", "columns use it"), object: domain };
    return {
      ...post("check constraint", "rows that exist are not checked against it"),
      object: domain,
      presence: { type: "domain constraint", domain, name },
      makes: [objectKey("constraint", domain.schema, domain.name, name)],
    };
  },

  CreatePublicationStmt: (create) => ({
    ...named(pre("publication", "changes on the shards can be streamed back"), "publication", create.pubname),
    presence: { type: "publication", name: create.pubname ?? "" },
  }),
  AlterPublicationStmt: (alter) => {
    const publication = alter.pubname ?? "";
    const target = as(alter.pubobjects?.[0], "PublicationObjSpec");
    const draft = { ...pre("publication", "belongs to a publication"), object: { schema: "", name: publication }, follows: [objectKey("publication", publication)] };
    if (target?.pubobjtype === "PUBLICATIONOBJ_TABLES_IN_SCHEMA") return { ...draft, presence: { type: "published schema", publication, schema: target.name ?? "" } };
    const table = relationName(target?.pubtable?.relation);
    return { ...draft, table, follows: [...draft.follows, relationKey(table)], presence: { type: "published table", publication, table } };
  },

  AlterTableStmt: classifyAlterTable,
  CommentStmt: classifyComment,
  SecLabelStmt: classifySecurityLabel,
  AlterOwnerStmt: classifyOwner,
  GrantStmt: classifyGrant,
  AlterDefaultPrivilegesStmt: (alter) => {
    const options = (alter.options ?? []).map((option) => as(option, "DefElem"));
    const owners = options.filter((option) => option?.defname === "roles").flatMap((option) => as(option?.arg, "List")?.items ?? []);
    return { ...post("default privileges", "they are for objects made later, not for these"), roles: roleNames([...owners, ...(alter.action?.grantees ?? [])]) };
  },
};

/** What a statement is, out of its parse tree alone; `node` is undefined where the parser failed. */
export function classifyStatement(node: Node | undefined, sql: string): Draft {
  if (node === undefined) return pre("unknown", "not understood by the parser, run as it is");
  const nodeType = Object.keys(node)[0] as NodeType;
  const classifier = classifiers[nodeType] as Classifier<NodeType> | undefined;
  return classifier === undefined ? unknown() : classifier((node as Record<NodeType, Fields<NodeType>>)[nodeType], sql);
}

function pre(kind: string, reason: string): Draft {
  return { phase: "pre", kind, reason };
}

function post(kind: string, reason: string): Draft {
  return { phase: "post", kind, reason };
}

function skip(kind: string, reason: string): Draft {
  return { phase: "skip", kind, reason };
}

function unknown(): Draft {
  return pre("unknown", "of a kind this project has no rule for, run as it is");
}

/** An object outside schemas. */
function named(draft: Draft, objectClass: string, name = ""): Draft {
  return { ...draft, object: { schema: "", name }, makes: [objectKey(objectClass, name)] };
}

function exotic(kind: string, name?: string): Draft {
  return { ...pre(kind, "tables, views and indexes may use it"), presence: BY_ERROR, ...(name === undefined ? {} : { object: { schema: "", name } }) };
}

function type(kind: string, names: readonly Node[] | undefined, shell = false): Draft {
  const object = qualified(nameParts(names));
  return { ...pre(kind, "columns use it"), object, presence: { type: "type", name: object, shell }, makes: [objectKey("type", object.schema, object.name)] };
}

function routine(kind: string, object: { schema: string; name: string }, sql: string): Draft {
  return {
    ...pre(kind, "defaults, views and indexes may call it; OR REPLACE, so that it can run again"),
    object,
    sql: sql.replace(/^CREATE (?=FUNCTION|PROCEDURE|AGGREGATE)/i, "CREATE OR REPLACE "),
    makes: [objectKey("routine", object.schema, object.name)],
  };
}

function relation(kind: string, object: { schema: string; name: string }, reason: string): Draft {
  return { ...pre(kind, reason), object, table: object, presence: { type: "relation", name: object }, makes: [relationKey(object)] };
}

function ofTable(kind: "trigger" | "rule" | "policy", table: { schema: string; name: string }, name: string | undefined, reason: string): Draft {
  return {
    ...post(kind, reason),
    object: { schema: table.schema, name: name ?? "" },
    table,
    presence: { type: kind, table, name: name ?? "" },
    makes: [objectKey(kind, table.schema, table.name, name ?? "")],
    follows: [relationKey(table)],
  };
}

function classifySetting(set: Fields<"VariableSetStmt">): Draft {
  const value = as(set.args?.[0], "A_Const")?.sval?.sval ?? nameParts(as(set.args?.[0], "ColumnRef")?.fields).join(".");
  const object = { schema: "", name: value };
  if (set.name === "default_tablespace" && value !== "") return { ...skip("tablespace", "tablespaces are not carried: what follows lies in the shard's own"), object };
  if (set.name === "default_table_access_method" && value !== "heap" && value !== "") return { ...skip("table access method", "table access methods are not carried: what follows has the shard's own"), object };
  if (set.name === "session_authorization") return skip("setting", "grants are made by the connected user");
  return skip("setting", "the session sets this itself");
}

/** OBJECT_TSCONFIGURATION → tsconfiguration, OBJECT_OPERATOR → operator. */
function words(objectType: string | undefined): string {
  return (objectType ?? "object").replace(/^OBJECT_/, "").replaceAll("_", " ").toLowerCase();
}
