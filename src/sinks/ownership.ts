import type { ApplyStep, RowSet } from "../apply-step.js";
import type { KeyType } from "../config/types.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { TableRoute } from "../sharding/table-route.js";

/** Whose rows are whose, for a table that several source shards bring to one shard. */
export interface RowOwnership {
  /**
   * The key of a row tells its source shard, so that no two can have one of the same key; so does a whole row, where there
   * is no key. Where it does not, a row that moves between source shards is on both or on neither for a while, as far as
   * their streams have come.
   */
  readonly keyTells: boolean;
  /** The column whose value tells; undefined where all rows are one source shard's. */
  readonly column: { readonly name: string; readonly dataType: KeyType } | undefined;
  /** Whether a row with this value of the column, in binary form, is the source shard's that streams here; undefined is NULL. */
  readonly isOwn: (value: Buffer | undefined) => boolean;
}

export interface Ownership extends RowOwnership {
  /** Where rows of these keys are at present. What is answered may be older than the next answer, never than the stream. */
  readonly whereabouts: (rows: RowSet, places: readonly number[]) => Promise<readonly Whereabouts[]>;
}

/**
 * Whose rows of a table are whose; undefined where all are taken from one source shard.
 *
 * @param route how the source spreads the table's rows
 * @param key the columns that name a row; none where only all of them together do
 */
export function rowOwnership(route: TableRoute, key: readonly string[], sourceShard: number): RowOwnership | undefined {
  if (route.kind === "omnisharded") return undefined;
  if (route.kind === "fixed") return { keyTells: true, column: undefined, isOwn: () => route.shard === sourceShard };
  return {
    keyTells: key.length === 0 || key.includes(route.column),
    column: { name: route.column, dataType: route.dataType },
    isOwn: (value) => route.shardOf(value ?? Buffer.alloc(0), 0, value?.length ?? -1) === sourceShard,
  };
}

/** How to tell whose the rows of a step are, where their keys do not; undefined where they do. */
export function contestedOwnership<O extends RowOwnership>(step: ApplyStep, ownershipOf: (relation: PgoutputRelation) => O | undefined): O | undefined {
  const ownership = step.kind === "truncate" ? undefined : ownershipOf(step.rows.relation);
  return ownership?.keyTells === false ? ownership : undefined;
}

/** Whether a step writes to a table where the keys do not tell whose the rows are: other source shards' streams have to stay away meanwhile. */
export function isContested(step: ApplyStep, ownershipOf: (relation: PgoutputRelation) => RowOwnership | undefined): boolean {
  if (step.kind === "truncate") return step.relations.some((relation) => ownershipOf(relation)?.keyTells === false);
  return contestedOwnership(step, ownershipOf) !== undefined;
}

export interface Whereabouts {
  /** On the source shard that streams here. */
  readonly here: boolean;
  /** On another one. */
  readonly elsewhere: boolean;
}

/**
 * What becomes of a change by one source shard to a row that is on the shard as another one's:
 *
 * - `take`: it moved here; the other source shard's deletion is still to come, and will leave the row alone.
 * - `leave`: it has moved on; this source shard's deletion is still to come, and will leave the row alone.
 * - `wait`: it is on both, as in the middle of a move: which of the two is the later cannot be told yet.
 *
 * Where it is on neither, both deletions are still to come and either will do.
 */
export function contested(what: "put" | "delete", { here, elsewhere }: Whereabouts): "take" | "leave" | "wait" {
  if (what === "delete") return elsewhere ? "leave" : "take";
  if (here && elsewhere) return "wait";
  return elsewhere ? "leave" : "take";
}

/**
 * Which of several copies of a row stays, as snapshots of several source shards brought it: the one whose source shard
 * has it now; where none has, all deletions are still to come and either will do. Undefined where more than one has it.
 *
 * @param there for each copy, whether its source shard has the row now
 */
export function keptDuplicate(there: readonly boolean[]): number | undefined {
  return there.filter(Boolean).length > 1 ? undefined : Math.max(0, there.indexOf(true));
}
