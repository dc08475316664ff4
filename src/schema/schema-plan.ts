import { displayName, type TableName } from "../postgres/identifiers.js";
import type { Presence } from "./presence.js";

/**
 * When a statement runs: `pre` before the rows, `key` (primary keys and replica identity) after a table's rows, `post`
 * after all rows, `cutover` when the applications are about to be switched, `post-cutover` for the way back, `skip` never.
 */
export type Phase = "pre" | "key" | "post" | "cutover" | "post-cutover" | "skip";

/** One statement of a dump, or one that the plan adds. */
export interface PlannedStatement {
  /** Place in the dump, from 0; an added statement has that of the statement it belongs to. Of the cutover, place in the phase. */
  readonly position: number;
  /** What runs, without the closing semicolon. */
  readonly sql: string;
  /** As dumped; undefined where the plan adds the statement. Differs from `sql` only where `reason` says so. */
  readonly original: string | undefined;
  readonly phase: Phase;
  /** For people: `table`, `primary key`, `foreign key`, `comment` … */
  readonly kind: string;
  /** Why it is in its phase. */
  readonly reason: string;
  /** What it makes or changes; `schema` is empty for what lives outside schemas. */
  readonly object?: TableName;
  /** The table (view, sequence) it belongs to. */
  readonly table?: TableName;
  /** Roles it names: it is left out where one of them does not exist. */
  readonly roles: readonly string[];
  /** How the catalog tells that it is done already; undefined: it does no harm to run it again. */
  readonly presence?: Presence;
  /** May run beside its neighbours that are parallel too. */
  readonly parallel: boolean;
}

export interface SchemaPlan {
  /** In the order in which they run: pre, key, post; then what is skipped. */
  readonly statements: readonly PlannedStatement[];
  /** Key statements by the tables whose rows must be there first, in order. */
  readonly keyUnits: readonly KeyUnit[];
  /** Integer columns of the source that the statements make bigint. */
  readonly widened?: readonly WidenedColumn[];
}

export interface WidenedColumn extends TableName {
  readonly column: string;
}

/** A table, or a whole partition tree, and its key statements. */
export interface KeyUnit {
  /** The table, or the root of the tree. */
  readonly root: TableName;
  /** All tables of the tree, root included. */
  readonly tables: readonly TableName[];
  readonly statements: readonly PlannedStatement[];
}

/** For people: an object's name, which may live outside schemas. */
export function displayObject(object: TableName): string {
  return object.schema === "" ? object.name : displayName(object);
}

/** What running a phase goes through on each shard, in order but for what runs side by side. */
export function phaseStatements(plan: SchemaPlan, phase: Phase): PlannedStatement[] {
  return phase === "key" ? plan.keyUnits.flatMap(({ statements }) => statements) : statementsOf(plan, phase);
}

/** The statements of one phase, in order. */
export function statementsOf(plan: SchemaPlan, phase: Phase): PlannedStatement[] {
  return plan.statements.filter((statement) => statement.phase === phase);
}
