import { displayName, quoteIdentifier, tableId } from "../postgres/identifiers.js";
import type { PlannedStatement, SchemaPlan, WidenedColumn } from "./schema-plan.js";
import { as, type Fields, nameParts, type Node, parseStatement, qualified } from "./syntax-tree.js";
import { isInteger, tableDefinitions } from "./table-definitions.js";
import { type KeptReason, widenedColumns } from "./widened-columns.js";
import { type WidenedRelations, withViews } from "./widened-views.js";
import { counted } from "../words.js";

export interface BigintKeys {
  readonly plan: SchemaPlan;
  /** Columns that are int2 or int4 on the source and become bigint. */
  readonly widened: readonly WidenedColumn[];
  /** What a person should know about it, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * The plan with integer primary keys as bigint, and with them everything that must or should have their type:
 * referring columns, partitions and inheritance children, their sequences. Only type names change in the statements.
 * Views get their types by themselves; functions stay as they are. Needs `loadParser`, as `planSchema` does.
 */
export function withBigintKeys(plan: SchemaPlan): BigintKeys {
  const definitions = tableDefinitions(plan.statements);
  const { columns: widened, kept } = widenedColumns(definitions);
  const notes = kept.map((column) => `${displayName(column)}.${column.column} stays an integer: ${KEPT[column.why]}.`);
  if (widened.length === 0) return { plan, widened, notes };
  const tables = new Map<string, Set<string>>();
  for (const column of widened) tables.set(tableId(column), (tables.get(tableId(column)) ?? new Set()).add(column.column));
  notes.push(`${counted(widened.length, "integer key column")} of ${counted(tables.size, "table")} ${widened.length === 1 ? "becomes" : "become"} bigint on the shards.`);
  const { integerRoutines: routines } = definitions;
  if (routines.length > 0) {
    const shown = `${routines.slice(0, 5).join(", ")}${routines.length > 5 ? " …" : ""}`;
    notes.push(`Functions with integer parameters stay as they are (${shown}): one that is called with a key needs bigint there, or a cast where it is called.`);
  }
  const sequences = new Set(definitions.sequences.filter(({ table, column }) => tables.get(tableId(table))?.has(column) === true).map(({ sequence }) => tableId(sequence)));
  const rewrite = rewriter(tables, sequences, relationsOf(plan, tables));
  const rewritten = new Map(plan.statements.map((statement) => [statement, rewrite(statement)]));
  const now = (statement: PlannedStatement): PlannedStatement => rewritten.get(statement) ?? rewrite(statement);
  return {
    plan: { statements: plan.statements.map(now), keyUnits: plan.keyUnits.map((unit) => ({ ...unit, statements: unit.statements.map(now) })), widened },
    widened,
    notes,
  };
}

const KEPT: Readonly<Record<KeptReason, string>> = {
  "stored rows": "rows of its table are stored as values in other columns",
  domain: "its type is a domain",
  "typed table": "the table's type is a composite type",
};

/** Views count only where pg_dump made a stand-in for one first, whose column types the view must have later. */
function relationsOf(plan: SchemaPlan, tables: WidenedRelations): WidenedRelations {
  const views = plan.statements.filter((statement) => statement.kind === "view" && statement.phase !== "skip");
  if (!views.some((statement) => REPLACES_VIEW.test(statement.sql))) return tables;
  return withViews(tables, views.flatMap((statement) => as(parseStatement(statement.sql), "ViewStmt") ?? []));
}

const REPLACES_VIEW = /^CREATE OR REPLACE /i;

/** Where a name of a type stands: bytes from the start of the statement. */
type Locations = (number | undefined)[];

function rewriter(tables: WidenedRelations, sequences: ReadonlySet<string>, relations: WidenedRelations): (statement: PlannedStatement) => PlannedStatement {
  return (statement) => {
    const sql = rewritten(statement);
    return sql === statement.sql ? statement : { ...statement, sql, reason: `${statement.reason}; integer keys become bigint` };
  };

  function rewritten({ kind, phase, sql, table }: PlannedStatement): string {
    if (phase === "skip") return sql;
    switch (kind) {
      case "table": {
        const columns = tables.get(tableId(table!));
        return columns === undefined ? sql : withBigint(sql, columnTypes(as(parseStatement(sql), "CreateStmt"), columns));
      }
      case "sequence":
        return sequences.has(tableId(table!)) ? withBigint(sql, sequenceType(as(parseStatement(sql), "CreateSeqStmt")?.options)) : sql;
      case "identity": {
        if (!tables.has(tableId(table!))) return sql;
        const command = as(as(parseStatement(sql), "AlterTableStmt")?.cmds?.[0], "AlterTableCmd");
        return tables.get(tableId(table!))!.has(command?.name ?? "") ? withBigint(sql, sequenceType(as(command?.def, "Constraint")?.options)) : sql;
      }
      case "view": {
        const columns = relations.get(tableId(table!));
        return columns === undefined || REPLACES_VIEW.test(sql) ? sql : withBigint(sql, standInTypes(as(parseStatement(sql), "ViewStmt"), columns));
      }
      case "index": {
        const columns = tables.get(tableId(table!));
        return columns === undefined || !OPERATOR_CLASS.test(sql) ? sql : withBigintOperators(sql, columns);
      }
      default:
        return sql;
    }
  }
}

function columnTypes(create: Fields<"CreateStmt"> | undefined, columns: ReadonlySet<string>): Locations {
  return (create?.tableElts ?? []).flatMap((element) => {
    const column = as(element, "ColumnDef");
    if (column === undefined || !columns.has(column.colname ?? "") || !isInteger(column.typeName)) return [];
    return [column.typeName?.location, ...(column.constraints ?? []).flatMap((constraint) => sequenceType(as(constraint, "Constraint")?.options))];
  });
}

/** `AS integer` among the options of a sequence; without it the type is bigint, or that of the identity column. */
function sequenceType(options: readonly Node[] | undefined): Locations {
  return (options ?? []).flatMap((option) => {
    const element = as(option, "DefElem");
    const type = element?.defname === "as" ? as(element.arg, "TypeName") : undefined;
    return isInteger(type) ? [type?.location] : [];
  });
}

/** The NULLs of the stand-in: `NULL::integer AS id`. */
function standInTypes(view: Fields<"ViewStmt"> | undefined, columns: ReadonlySet<string>): Locations {
  return (as(view?.query, "SelectStmt")?.targetList ?? []).flatMap((item) => {
    const target = as(item, "ResTarget");
    const cast = as(target?.val, "TypeCast");
    const standIn = as(cast?.arg, "A_Const")?.isnull === true;
    return standIn && columns.has(target?.name ?? "") && isInteger(cast?.typeName) ? [cast?.typeName?.location] : [];
  });
}

const TYPE_NAME = /(?:pg_catalog\s*\.\s*)?"?(\w+)"?/iy;

/** Puts `bigint` in place of the type names that begin at these bytes; all else stays as it is written. */
function withBigint(sql: string, locations: Locations): string {
  if (locations.length === 0) return sql;
  // One character for each byte, so that the parser's locations are places in the string.
  let bytes = Buffer.from(sql, "utf8").toString("latin1");
  for (const location of [...locations].sort((a, b) => (b ?? 0) - (a ?? 0))) {
    TYPE_NAME.lastIndex = location ?? 0;
    const [text, name] = TYPE_NAME.exec(bytes)!;
    bytes = `${bytes.slice(0, location)}${name!.toLowerCase().includes("serial") ? "bigserial" : "bigint"}${bytes.slice((location ?? 0) + text.length)}`;
  }
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Operator classes that are printed because they are not the default: those of BRIN (catalog/pg_opclass.dat). */
const OPERATOR_CLASS = /\bint[24]_(?:minmax_multi|bloom|minmax)_ops\b/;

/** Operator classes are for one type. They follow the column's name, which pg_dump quotes where it must. */
function withBigintOperators(sql: string, columns: ReadonlySet<string>): string {
  const params = as(parseStatement(sql), "IndexStmt")?.indexParams ?? [];
  return params.reduce((text, param) => {
    const element = as(param, "IndexElem");
    const { name: operators } = qualified(nameParts(element?.opclass ?? []));
    if (element?.name === undefined || !columns.has(element.name) || !OPERATOR_CLASS.test(operators)) return text;
    const quoted = escapeRegExp(quoteIdentifier(element.name));
    const pattern = new RegExp(`([(,]\\s*(?:${escapeRegExp(element.name)}|${quoted})\\s+)((?:\\w+\\.)?)int[24](_\\w+_ops)`);
    return text.replace(pattern, "$1$2int8$3");
  }, sql);
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
