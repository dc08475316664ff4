import { type TableName, tableId } from "../postgres/identifiers.js";
import { type Catalog, catalogKey } from "./catalog.js";
import type { SchemaDifference } from "./diff-catalogs.js";
import { withPlainDefaults } from "./key-function.js";
import type { PlannedStatement, SchemaPlan } from "./schema-plan.js";

/** A difference, and why it is meant to be. */
export interface JudgedDifference extends SchemaDifference {
  /** Undefined where it is a mistake. */
  readonly expected: string | undefined;
}

export interface Expectations {
  /** What the shards' schema is made by. */
  readonly plan: SchemaPlan;
  readonly source: Catalog;
  readonly shard: Catalog;
}

const BIGINT = "integer keys become bigint";
const SHARED_NUMBERS = "shared among the shards at cutover";
const SEQUENCE_PLACES = new Set(["start", "increment", "minimum", "maximum", "cycle"]);

/** Judges the differences of one shard by the plan that made it and by what is documented not to be carried. */
export function judgeDifferences(differences: readonly SchemaDifference[], { plan, source, shard }: Expectations): JudgedDifference[] {
  const { widened = [] } = plan;
  const skipped = plan.statements.filter((statement) => statement.phase === "skip" && statement.object !== undefined);
  const columns = new Set(widened.map(({ schema, name, column }) => columnId({ schema, name }, column)));
  const touched = withViews(widened, source);
  const rules: readonly ((difference: SchemaDifference) => string | undefined)[] = [
    leftOut,
    bigint,
    (difference) => (difference.what === "tablespace" ? "tablespaces are not carried" : undefined),
    (difference) => (difference.what === "access method" ? "table access methods are not carried" : undefined),
    (difference) => (difference.kind === "extension" && difference.what === "version" ? "a shard has its server's version of an extension" : undefined),
    (difference) => (difference.kind === "foreign key" && difference.what === "definition" && difference.shard === `${difference.source ?? ""} NOT VALID` ? "validated once the shard has caught up" : undefined),
    (difference) => (difference.what === "populated" && difference.shard === "true" ? "materialized views are refreshed" : undefined),
    partitionIdentity,
    cutover,
    missingRole,
  ];
  return differences.map((difference) => ({ ...difference, expected: first(rules, difference) }));

  function leftOut({ kind, what, object }: SchemaDifference): string | undefined {
    if (what !== "missing") return undefined;
    return skipped.find((statement) => makes(statement, kind, object))?.reason;
  }

  /** Types that follow from the widened columns, and what is printed otherwise because of them. */
  function bigint({ kind, what, source: from = "", shard: to = "", object }: SchemaDifference): string | undefined {
    const table = { schema: object.schema, name: object.owner ?? object.name };
    if (kind === "column" && what === "type" && isWider(from, to)) {
      return columns.has(columnId(table, object.name)) || (touched.views.has(tableId(table)) && widened.length > 0) ? BIGINT : undefined;
    }
    if (kind === "sequence" && isSequenceOfBigint(what, from, to)) return object.uses.some((used) => touched.tables.has(tableId(used))) ? BIGINT : undefined;
    const near = touched.tables.has(tableId(table)) || touched.views.has(tableId(table)) || object.uses.some((used) => touched.tables.has(tableId(used)));
    return near && what !== "missing" && what !== "extra" && withoutIntegers(from) === withoutIntegers(to) ? BIGINT : undefined;
  }

  /** What the cutover changes so that the shards never hand out the same number twice. */
  function cutover({ kind, what, source: from = "", shard: to = "", object }: SchemaDifference): string | undefined {
    const now = shard.objects.get(catalogKey(object))?.properties ?? {};
    if (kind === "column") {
      const ours = now["default"] ?? "";
      const drawn = withPlainDefaults(ours);
      const plain = what === "identity" || from === "" ? object.properties["identity"] !== undefined : withoutIntegers(drawn) === withoutIntegers(from);
      return (what === "default" || what === "identity" && to === "") && drawn !== ours && plain ? SHARED_NUMBERS : undefined;
    }
    if (kind !== "sequence" || !SEQUENCE_PLACES.has(what)) return undefined;
    const [before, after] = [Number(object.properties["increment"]), Number(now["increment"])];
    return what === "start" || (after !== before && after % before === 0) ? SHARED_NUMBERS : undefined;
  }

  function partitionIdentity({ kind, what, source: from, object: { schema, owner = "" } }: SchemaDifference): string | undefined {
    if (kind !== "column" || what !== "identity" || from !== undefined || source.version >= 17 || shard.version < 17) return undefined;
    const table = source.objects.get(catalogKey({ kind: "table", schema, owner: undefined, name: owner, signature: undefined }));
    return table?.properties["partition bound"] === undefined ? undefined : "partitions have their table's identity since PostgreSQL 17";
  }

  /** Owners, grants and policies of roles that the shard's server does not have. */
  function missingRole({ kind, what, source: from, shard: to, object }: SchemaDifference): string | undefined {
    const absent = (role: string): boolean => source.roles.has(role) && !shard.roles.has(role);
    const reason = (role: string): string => `roles are not carried, and the shard has no ${role}`;
    if (what === "owner") return absent(from ?? "") ? reason(from!) : undefined;
    if (what === "missing" && kind === "policy") return rolesOf(object.properties["roles"]).filter(absent).map(reason)[0];
    if (what === "missing" && kind === "default privileges") return [object.name, ...grantees(object.properties["grants"]).keys()].filter(absent).map(reason)[0];
    if (what !== "grants") return undefined;
    const given = grantees(from);
    const there = grantees(to);
    const owner = object.properties["owner"];
    const differing = [...new Set([...given.keys(), ...there.keys()])].filter((role) => given.get(role) !== there.get(role));
    const lost = differing.filter(absent);
    // The owner's own rights are with whoever owns it there.
    const own = owner !== undefined && absent(owner);
    return lost.length > 0 && differing.every((role) => absent(role) || own) ? reason(lost[0]!) : undefined;
  }
}

function first<T>(rules: readonly ((value: T) => string | undefined)[], value: T): string | undefined {
  for (const rule of rules) {
    const reason = rule(value);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function makes(statement: PlannedStatement, kind: string, { schema, owner, name }: { readonly schema: string; readonly owner: string | undefined; readonly name: string }): boolean {
  const { object, table } = statement;
  return statement.kind === kind && object!.schema === schema && object!.name === name && (owner === undefined || table?.name === owner);
}

/** Tables with widened columns, and views over them, however many views lie between. */
function withViews(widened: readonly TableName[], { objects }: Catalog): { tables: ReadonlySet<string>; views: ReadonlySet<string> } {
  const tables = new Set(widened.map(tableId));
  const views = new Set<string>();
  for (let size = -1; size !== views.size; ) {
    size = views.size;
    for (const { kind, schema, name, uses } of objects.values()) {
      if (/view$/.test(kind) && uses.some((used) => tables.has(tableId(used)) || views.has(tableId(used)))) views.add(tableId({ schema, name }));
    }
  }
  return { tables, views };
}

function isWider(from: string, to: string): boolean {
  return to === "bigint" && (from === "integer" || from === "smallint");
}

/** The least and the greatest values of sequences of type int2, int4 and int8 (commands/sequence.c, init_params). */
const LIMITS = /^-?(32767|32768|2147483647|2147483648)$/;
const BIGINT_LIMITS = /^-?(9223372036854775807|9223372036854775808)$/;

function isSequenceOfBigint(what: string, from: string, to: string): boolean {
  return what === "type" ? isWider(from, to) : (what === "maximum" || what === "minimum" || what === "start") && LIMITS.test(from) && BIGINT_LIMITS.test(to);
}

/** An expression without what ruleutils.c prints for the sake of an integer's type: casts, quotes, parentheses, operator classes. */
function withoutIntegers(expression: string): string {
  return expression
    .replaceAll(/::(?:integer|smallint|bigint)(?![\w])/g, "")
    .replaceAll(/'(-?\d+)'/g, "$1")
    .replaceAll(/\bint[248]_(?=\w*ops\b)/g, "int_")
    .replaceAll(/[()\s]/g, "");
}

function columnId(table: TableName, column: string): string {
  return JSON.stringify([table.schema, table.name, column]);
}

/** `a: SELECT; "B; c": SELECT` → privileges by role, unquoted. */
function grantees(grants: string | undefined): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, role, privileges] of (grants ?? "").matchAll(/((?:"(?:[^"]|"")*"|[^":;])+): ([^;]*)(?:; |$)/g)) found.set(unquoted(role!), privileges!);
  return found;
}

function rolesOf(list: string | undefined): string[] {
  return [...(list ?? "").matchAll(/"(?:[^"]|"")*"|[^",\s]+/g)].map(([role]) => unquoted(role));
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
