import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import type { Equalities } from "./equalities.js";
import { allDefined, arrayConstant, keepsKeys, keyConstant } from "./key-constant.js";
import type { ScopeColumn } from "./scope-column.js";
import type { Level } from "./scope.js";
import type { KeyValue } from "./statement-plan.js";

/** `columns IN (SELECT …)` that has to be true: each column, where it is one, equals the subquery's at its place. */
export interface SemiJoin {
  readonly link: Fields<"SubLink">;
  readonly columns: readonly (ScopeColumn | undefined)[];
}

/** What a condition says of every row for which it is true. */
export interface Facts {
  readonly equal: (readonly [ScopeColumn, ScopeColumn])[];
  readonly values: { readonly column: ScopeColumn; readonly values: readonly KeyValue[] }[];
  readonly semiJoins: SemiJoin[];
}

/** The facts that hold where all of the conditions are true. */
export function factsOf(conditions: readonly (Node | undefined)[], level: Level): Facts {
  const facts: Facts = { equal: [], values: [], semiJoins: [] };
  for (const condition of conditions) collect(condition, level, facts);
  return facts;
}

/** Adds the facts that need no subquery. */
export function learn(equalities: Equalities, facts: Facts): void {
  for (const [left, right] of facts.equal) equalities.equate(left, right);
  for (const { column, values } of facts.values) equalities.restrict(column, values);
}

function collect(condition: Node | undefined, level: Level, facts: Facts): void {
  const bool = as(condition, "BoolExpr");
  if (bool?.boolop === "AND_EXPR") {
    for (const arg of bool.args ?? []) collect(arg, level, facts);
    return;
  }
  if (bool?.boolop === "OR_EXPR") {
    facts.values.push(...valuesOfAny((bool.args ?? []).map((arg) => factsOf([arg], level))));
    return;
  }
  const link = as(condition, "SubLink");
  if (link?.subLinkType === "ANY_SUBLINK" && (link.operName === undefined || isEquals(link.operName))) {
    const row = as(link.testexpr, "RowExpr");
    facts.semiJoins.push({ link, columns: (row === undefined ? [link.testexpr] : (row.args ?? [])).map((test) => plainColumn(test, level)) });
    return;
  }
  const comparison = as(condition, "A_Expr");
  if (comparison === undefined || !isEquals(comparison.name)) return;
  switch (comparison.kind) {
    case "AEXPR_OP":
      equalParts(comparison.lexpr, comparison.rexpr, level, facts);
      return;
    case "AEXPR_NOT_DISTINCT":
      notDistinct(comparison, level, facts);
      return;
    case "AEXPR_IN":
      inList(comparison.lexpr, as(comparison.rexpr, "List")?.items ?? [], level, facts);
      return;
    case "AEXPR_OP_ANY": {
      const column = plainColumn(comparison.lexpr, level);
      const values = column?.family === undefined ? undefined : arrayConstant(comparison.rexpr, column.family);
      if (column !== undefined && values !== undefined) facts.values.push({ column, values });
      return;
    }
    default:
      return;
  }
}

function equalParts(left: Node | undefined, right: Node | undefined, level: Level, facts: Facts): void {
  const rows = [as(left, "RowExpr"), as(right, "RowExpr")];
  if (rows[0] !== undefined && rows[1] !== undefined) {
    const [lefts, rights] = [rows[0].args ?? [], rows[1].args ?? []];
    if (lefts.length === rights.length) lefts.forEach((part, index) => { equalParts(part, rights[index], level, facts); });
    return;
  }
  const columns = [plainColumn(left, level), plainColumn(right, level)] as const;
  if (columns[0] !== undefined && columns[1] !== undefined) {
    facts.equal.push([columns[0], columns[1]]);
    return;
  }
  const column = columns[0] ?? columns[1];
  const value = column?.family === undefined ? undefined : keyConstant(columns[0] === undefined ? left : right, column.family);
  if (column !== undefined && value !== undefined) facts.values.push({ column, values: [value] });
}

/** IS NOT DISTINCT FROM a constant that is not NULL is equality. */
function notDistinct(comparison: Fields<"A_Expr">, level: Level, facts: Facts): void {
  const found: Facts = { equal: [], values: [], semiJoins: [] };
  equalParts(comparison.lexpr, comparison.rexpr, level, found);
  facts.values.push(...found.values.filter(({ values }) => values.every((value) => value.kind === "constant" && value.bytes !== null)));
}

function inList(left: Node | undefined, items: readonly Node[], level: Level, facts: Facts): void {
  const row = as(left, "RowExpr");
  const tests = row === undefined ? [left] : (row.args ?? []);
  tests.forEach((test, place) => {
    const column = plainColumn(test, level);
    if (column?.family === undefined) return;
    const { family } = column;
    const values = allDefined(items.map((item) => keyConstant(row === undefined ? item : as(item, "RowExpr")?.args?.[place], family)));
    if (values !== undefined) facts.values.push({ column, values });
  });
}

/** Of several conditions of which one is true: a column that each of them restricts has one of all the values. */
function valuesOfAny(arms: readonly Facts[]): Facts["values"] {
  const [first, ...others] = arms;
  return (first?.values ?? []).flatMap(({ column, values }) => {
    const more = others.map((arm) => arm.values.find((candidate) => candidate.column === column)?.values);
    return more.includes(undefined) ? [] : [{ column, values: [...values, ...more.flatMap((set) => set!)] }];
  });
}

/** A column, also where it is cast to a type in which its values are the same keys. */
export function plainColumn(node: Node | undefined, level: Level): ScopeColumn | undefined {
  const reference = as(node, "ColumnRef");
  if (reference !== undefined) return level.resolve(reference.fields);
  const cast = as(node, "TypeCast");
  if (cast === undefined) return undefined;
  const column = plainColumn(cast.arg, level);
  return column?.family !== undefined && keepsKeys(cast.typeName, column.family, false) ? column : undefined;
}

/** PostgreSQL's own `=`, which is found before a user's unless the user's has just these types. */
function isEquals(name: readonly Node[] | undefined): boolean {
  const parts = (name ?? []).map((part) => as(part, "String")?.sval);
  return parts.at(-1) === "=" && (parts.length === 1 || parts[0] === "pg_catalog");
}
