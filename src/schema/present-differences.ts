import { type TableName, tableId } from "../postgres/identifiers.js";
import type { Catalog, CatalogObject } from "./catalog.js";
import { diffCatalogs, type SchemaDifference } from "./diff-catalogs.js";
import { judgeDifferences } from "./expected-differences.js";
import type { Presence } from "./presence.js";
import { type Phase, type PlannedStatement, type SchemaPlan, statementsOf } from "./schema-plan.js";

/**
 * What phases would take for done, because something of that name is there, though it is defined otherwise. Of tables
 * that is the columns of the source, of other objects what their statement says; owners, grants, comments and the like
 * are set anew each time. Columns that only the shard has do no harm.
 */
export function presentDifferences(plan: SchemaPlan, phases: readonly Phase[], source: Catalog, shard: Catalog): SchemaDifference[] {
  const statements = phases.flatMap((phase) => statementsOf(plan, phase));
  const standIns = new Set(plan.statements.filter(({ kind, presence }) => kind === "view" && presence === undefined).map(({ object }) => tableId(object!)));
  const made = new Set(statements.flatMap((statement) => madeBy(statement, standIns)));
  const differences = diffCatalogs(source, shard).filter(({ what, object }) => DEFINING[object.kind]?.has(what) === true && made.has(objectId(object)));
  return judgeDifferences(differences, { plan, source, shard }).filter(({ expected }) => expected === undefined);
}

const definition = new Set(["definition"]);

/** The properties that the statement sets which makes the object. */
const DEFINING: Readonly<Record<string, ReadonlySet<string>>> = {
  table: new Set(["persistence", "partitioned by", "of type"]),
  column: new Set(["missing", "type", "generated", "collation"]),
  "materialized view": definition,
  view: definition,
  index: definition,
  "primary key": definition,
  "unique constraint": definition,
  "exclusion constraint": definition,
  "foreign key": definition,
  "check constraint": definition,
  "not null constraint": definition,
  trigger: definition,
  rule: definition,
  statistics: definition,
  policy: new Set(["command", "restrictive", "roles", "using", "with check"]),
  type: new Set(["labels", "attributes", "range", "base"]),
  domain: new Set(["type", "not null", "default", "collation"]),
  sequence: new Set(["type"]),
  publication: new Set(["all tables", "publish", "via root"]),
  "published table": new Set(["columns", "rows"]),
  "event trigger": new Set(["event", "function", "tags"]),
};

function madeBy({ presence, kind }: PlannedStatement, standIns: ReadonlySet<string>): string[] {
  const object = presence === undefined ? undefined : objectOf(presence);
  if (object === undefined) return [];
  // pg_dump makes a view of NULLs first, and the view itself after the keys.
  if (kind === "view" && standIns.has(tableId({ schema: object.schema, name: object.name }))) return [];
  return [key(object), ...(kind === "table" ? [columnsKey({ schema: object.schema, name: object.name })] : [])];
}

interface Named {
  readonly schema: string;
  readonly owner?: string | undefined;
  readonly name: string;
}

function objectOf(presence: Presence): Named | undefined {
  switch (presence.type) {
    case "publication":
    case "event trigger":
      return { schema: "", name: presence.name };
    case "relation":
    case "statistics":
      return presence.name;
    case "type":
      // A shell is filled by a later statement.
      return presence.shell ? undefined : presence.name;
    case "constraint":
    case "trigger":
    case "rule":
    case "policy":
      return { schema: presence.table.schema, owner: presence.table.name, name: presence.name };
    case "domain constraint":
      return { schema: presence.domain.schema, owner: presence.domain.name, name: presence.name };
    case "index":
      return { ...presence.name, owner: "" };
    case "published table":
      return { schema: "", owner: presence.publication, name: "" };
    case "schema":
    case "extension":
    case "identity column":
    case "partition":
    case "published schema":
    case "populated":
    case "analyzed":
    case "by error":
      return undefined;
  }
}

function objectId(object: CatalogObject): string {
  const { kind, schema, owner, name } = object;
  if (kind === "column") return columnsKey({ schema, name: owner ?? "" });
  // An index is looked for by its own name, a published table as a part of its publication.
  return key(kind === "index" ? { schema, owner: "", name } : kind === "published table" ? { schema: "", owner, name: "" } : { schema, owner, name });
}

function key({ schema, owner, name }: Named): string {
  return JSON.stringify([schema, owner ?? null, name]);
}

function columnsKey(table: TableName): string {
  return `columns of ${tableId(table)}`;
}
