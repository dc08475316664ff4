import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { openItem } from "./analyse-from.js";
import { analyseRelation, distributionOf } from "./analyse-relation.js";
import { changed, changeObstacle } from "./analyse-change.js";
import { keyChange } from "./changed-key.js";
import { openCommonTables } from "./common-tables.js";
import { conflictObstacle } from "./conflict-obstacle.js";
import { combined, type Distribution, type Obstacle } from "./distribution.js";
import { insertedColumns, keepsItsKey, type RowKey, rowKey } from "./insert-keys.js";
import { distinctSets } from "./key-sets.js";
import { expressionsOf, outputColumns } from "./output-columns.js";
import { drawsOwnValues } from "./own-defaults.js";
import type { Context, QueryAnalysis } from "./query-analysis.js";
import { type Item, Level } from "./scope.js";
import { settleLevel } from "./settle-level.js";
import type { KeyRoute, Relation } from "./sharded-catalog.js";

export interface InsertAnalysis extends QueryAnalysis {
  readonly target: Item;
  /** Of VALUES, where each row has a key of its own: one for each. */
  readonly rowKeys: readonly RowKey[] | undefined;
  /** Of the rows that are inserted, before their keys are looked at. */
  readonly source: Distribution;
  /** What stands against it, whatever the keys are. */
  readonly refusal: Obstacle | undefined;
}

/** INSERT, of any depth; its rows are those of RETURNING. */
export function analyseInsert(insert: Fields<"InsertStmt">, parent: Level | undefined, context: Context): InsertAnalysis {
  const around = openCommonTables(insert.withClause, parent, context);
  const level = new Level(around);
  const target = analyseRelation(insert.relation!, level, context);
  openItem(target, level);
  level.items.push({ ...target, name: "excluded", schema: "", columns: target.columns?.map((column) => ({ ...column })) });
  const source = insert.selectStmt === undefined ? undefined : context.analyse(insert.selectStmt, around);
  const clause = insert.onConflictClause;
  const conditions = [clause?.targetList, clause?.whereClause, clause?.infer?.whereClause, insert.returningClause?.exprs];
  const rest = settleLevel({ tree: { kind: "inner", parts: [], facts: () => ({ equal: [], values: [], semiJoins: [] }) }, where: undefined, expressions: conditions, obstacles: [], sampled: false }, level, context);
  const { relation } = target;
  const kinds = clause?.action === "ONCONFLICT_UPDATE" ? (["insert", "update"] as const) : (["insert"] as const);
  const refusal = kinds.map((kind) => changeObstacle(target, kind, context)).find((found) => found !== undefined)
    ?? (relation === undefined ? undefined : (conflictObstacle(clause, relation) ?? conflictKeyChange(clause, target, level)));

  const rowKeys = relation?.placement.kind === "key" && refusal === undefined ? keysOfRows(insert, relation, relation.placement) : undefined;
  const parts = [source?.distribution ?? { kind: "same" as const }, rest.distribution];
  const placed = relation === undefined ? combined({ level, groups: [], parts, obstacles: [] }) : placedRows(relation, parts, rowKeys, source, insert, level);
  const distribution = changed(target, placed, refusal, context);
  if (relation?.placement.kind === "omnisharded" && drawsOwnValues(insert, relation)) context.facts.ownDefaults = true;
  const keys = (target.columns ?? []).filter(({ key }) => key !== undefined);
  const columns = outputColumns(insert.returningClause?.exprs, level, distribution.kind === "split" ? keys : []);
  const gathering = (): ReturnType<QueryAnalysis["gathering"]> => ({ gather: { kind: "union" } });
  return { distribution, rows: distribution, columns, gathering, target, rowKeys, source: combined({ level, groups: [], parts, obstacles: [] }), refusal };
}

/** DO UPDATE may set the key to what it is: `excluded` has the same, where the conflict is about it. */
function conflictKeyChange(clause: Fields<"OnConflictClause"> | undefined, target: Item, level: Level): Obstacle | undefined {
  const { placement } = target.relation!;
  const excluded = level.items.find(({ name }) => name === "excluded");
  target.columns?.forEach((column, index) => {
    const other = excluded?.columns?.[index];
    if (placement.kind === "key" && column.name === placement.column && other !== undefined) level.equalities.equate(column, other);
  });
  return keyChange(clause?.targetList, target, level);
}

/** Of each row of VALUES; undefined where the rows come from a query. */
function keysOfRows(insert: Fields<"InsertStmt">, relation: Relation, route: KeyRoute): readonly RowKey[] | undefined {
  const place = insertedColumns(insert, relation).indexOf(route.column);
  const source = as(insert.selectStmt, "SelectStmt");
  if (source === undefined) return [rowKey(undefined, relation, route)];
  return source.valuesLists?.map((row) => rowKey(as(row, "List")?.items?.[place], relation, route));
}

/** Where the rows go that an INSERT makes. */
function placedRows(relation: Relation, parts: readonly Distribution[], rowKeys: readonly RowKey[] | undefined, source: QueryAnalysis | undefined, insert: Fields<"InsertStmt">, level: Level): Distribution {
  const { placement } = relation;
  if (placement.kind === "omnisharded") return combined({ level, groups: [], parts: parts.map(unsplit), obstacles: [] });
  if (placement.kind === "fixed") {
    const pin = distributionOf(relation);
    return pinned(parts, [pin.kind === "split" ? pin.pin! : undefined!], level);
  }
  if (rowKeys !== undefined) return rowsTogether(parts, rowKeys, level);
  const place = insertedColumns(insert, relation).indexOf(placement.column);
  const column = place < 0 ? undefined : source?.columns?.[place];
  if (source?.distribution.kind === "split" && keepsItsKey(column, relation, placement)) return combined({ level, groups: [source.distribution.pin], parts: parts.slice(1), obstacles: [] });
  const key = rowKey(place < 0 ? undefined : selectedValue(insert.selectStmt, place), relation, placement);
  return rowsTogether(parts, [key], level);
}

/** Several rows whose keys have to meet in one shard; see split-insert for where they do not. */
function rowsTogether(parts: readonly Distribution[], rowKeys: readonly RowKey[], level: Level): Distribution {
  const obstacle = rowKeys.find((key) => key.kind === "obstacle");
  if (obstacle !== undefined) return { kind: "whole", pins: undefined, obstacle: obstacle.obstacle };
  const sets = distinctSets(rowKeys.flatMap((key) => (key.kind === "key" ? [key.set] : [])));
  if (sets.length === 0) {
    // The shard makes the keys, whichever it is; rows of a sharded table stay on their shards.
    const groups = parts.flatMap((part) => (part.kind === "split" ? [part.pin] : []));
    const made = combined({ level, groups, parts: parts.filter(({ kind }) => kind !== "split"), obstacles: [] });
    return made.kind === "same" ? { kind: "each", first: false } : made;
  }
  return pinned(parts, sets, level);
}

function pinned(parts: readonly Distribution[], sets: readonly NonNullable<Extract<Distribution, { kind: "split" }>["pin"]>[], level: Level): Distribution {
  const rest = combined({ level, groups: [], parts: parts.map(unsplit), obstacles: [] });
  if (rest.kind === "whole") return { ...rest, pins: rest.pins === undefined ? undefined : [...rest.pins, ...sets] };
  // Not split: on another shard it would insert the row as well.
  return { kind: "whole", pins: sets, obstacle: SEVERAL_ROWS };
}

function unsplit(part: Distribution): Distribution {
  return part.kind === "split" ? { kind: "whole", pins: part.pin === undefined ? undefined : [part.pin], obstacle: SCATTERED } : part;
}

/** What a SELECT gives at that place; undefined where a star before it moves the places. */
function selectedValue(select: Node | undefined, place: number): Node | undefined {
  const statement = as(select, "SelectStmt");
  if (statement?.op !== undefined && statement.op !== "SETOP_NONE") return NOTHING;
  const targets = expressionsOf(statement?.targetList);
  const values = targets.slice(0, place + 1).map(({ val }) => val);
  if (values.length <= place) return targets.some(({ val }) => isStar(val)) ? NOTHING : undefined;
  return values.some(isStar) ? NOTHING : values[place];
}

/** An expression that is no key. */
const NOTHING: Node = { A_Star: {} };

function isStar(node: Node | undefined): boolean {
  return as(as(node, "ColumnRef")?.fields?.at(-1), "A_Star") !== undefined;
}

const SEVERAL_ROWS: Obstacle = {
  reason: "It inserts several rows, which may belong to different shards, in a statement that cannot be split (inside of WITH, or with subqueries).",
  remedy: "Insert the rows with a plain INSERT … VALUES, or one by one.",
};

const SCATTERED: Obstacle = {
  reason: "The rows that it inserts come from a sharded table, and their shard there is not their shard here.",
  remedy: "Select the source's sharding key as the target's, or read the rows first and insert them by their keys.",
};
