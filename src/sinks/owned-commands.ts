import type { KeyedStep, RowSet } from "../apply-step.js";
import { contested, type Ownership, type Whereabouts } from "./ownership.js";
import { pickRows } from "./pick-rows.js";

/** One thing to do for a step of `applyOwnedStep`; the next is asked for once it is done. Rows are named by their keys. */
export type OwnedCommand =
  /** Lock the rows that are on the shard. */
  | { readonly kind: "find"; readonly rows: RowSet }
  /** Look where some rows are at present on the source's shards. */
  | { readonly kind: "look"; readonly rows: RowSet; readonly places: readonly number[] }
  /** Complete some rows from the source shard that streams here. */
  | { readonly kind: "complete"; readonly rows: RowSet; readonly places: readonly number[] }
  | { readonly kind: "delete"; readonly rows: RowSet }
  /** Set columns of rows that are there. */
  | { readonly kind: "update"; readonly rows: RowSet; readonly columns: readonly number[] }
  /** Put whole rows in the place of those that are there. */
  | { readonly kind: "replace"; readonly rows: RowSet }
  /** Put in whole rows that are not there; that one is there all the same is an error. */
  | { readonly kind: "insert"; readonly rows: RowSet }
  /** Fail, to be tried again: a key is on two source shards. */
  | { readonly kind: "wait" };

/** What a command is answered with, where it is asked for something. */
export interface OwnedAnswers {
  /** By the place of each row that is there, the value that tells whose it is. */
  readonly find: ReadonlyMap<number, Buffer | undefined>;
  /** Of each place, in their order. */
  readonly look: readonly Whereabouts[];
  /** The rows whole; without those that the source shard does not have. */
  readonly complete: RowSet;
}

export type OwnedAnswer = OwnedAnswers[keyof OwnedAnswers] | undefined;
export type OwnedCommands = Generator<OwnedCommand, void, OwnedAnswer>;

/**
 * Decides what a step comes to on a table of which several source shards may have a row of the same key: it touches only
 * rows of the source shard that streams here. Rows that it is about are locked first; new ones are inserted without
 * looking away from a conflict, so that one with a session of another source shard is met as an error. It does no I/O.
 */
export function* ownedCommands(step: KeyedStep, { isOwn }: Pick<Ownership, "isOwn">): OwnedCommands {
  switch (step.kind) {
    case "delete":
      yield* remove(step.rows, isOwn);
      break;
    case "upsert":
      yield* put(step.rows, isOwn);
      break;
    case "update":
      if (step.arriving) yield* arrive(step.rows, step.columns, isOwn);
      else yield* update(step.rows, step.columns, isOwn);
      break;
  }
}

type IsOwn = Ownership["isOwn"];
type Deciding<T> = Generator<OwnedCommand, T, OwnedAnswer>;

function* remove(rows: RowSet, isOwn: IsOwn): Deciding<void> {
  const { own, others } = yield* find(rows, isOwn);
  yield* onSome("delete", rows, [...own, ...(yield* taken("delete", rows, others))]);
}

/** Puts in whole rows, or over those that are there. */
function* put(rows: RowSet, isOwn: IsOwn): Deciding<void> {
  const { absent, own, others } = yield* find(rows, isOwn);
  yield* onSome("replace", rows, [...own, ...(yield* taken("put", rows, others))]);
  yield* onSome("insert", rows, absent);
}

/**
 * Sets columns of rows that are here. Those that are not belong on another shard, or are gone from the source shard by
 * now: where a source shard has a row without break, no other one's changes remove it.
 */
function* update(rows: RowSet, columns: readonly number[], isOwn: IsOwn): Deciding<void> {
  const { own, others } = yield* find(rows, isOwn);
  const set = [...own, ...(yield* taken("put", rows, others))];
  if (set.length > 0) yield { kind: "update", rows: pickRows(rows, set), columns };
}

/** Sets columns of rows; those that are not here, or as another's, are completed from the source. */
function* arrive(rows: RowSet, columns: readonly number[], isOwn: IsOwn): Deciding<void> {
  const { absent, own, others } = yield* find(rows, isOwn);
  if (own.length > 0) yield { kind: "update", rows: pickRows(rows, own), columns };
  yield* onCompleted("replace", rows, yield* taken("put", rows, others));
  yield* onCompleted("insert", rows, absent);
}

/** Places of rows, by what is on the shard under their keys. */
interface Found {
  readonly absent: readonly number[];
  readonly own: readonly number[];
  readonly others: readonly number[];
}

function* find(rows: RowSet, isOwn: IsOwn): Deciding<Found> {
  const owners = yield* ask({ kind: "find", rows });
  const found = { absent: [] as number[], own: [] as number[], others: [] as number[] };
  for (let place = 0; place < rows.count; place++) {
    if (!owners.has(place)) found.absent.push(place);
    else if (isOwn(owners.get(place))) found.own.push(place);
    else found.others.push(place);
  }
  return found;
}

/** Of rows that are here as another source shard's, those that a change applies to all the same. */
function* taken(what: "put" | "delete", rows: RowSet, places: readonly number[]): Deciding<number[]> {
  if (places.length === 0) return [];
  const whereabouts = yield* ask({ kind: "look", rows, places });
  const verdicts = places.map((_, index) => contested(what, whereabouts[index]!));
  if (verdicts.includes("wait")) yield { kind: "wait" };
  return places.filter((_, index) => verdicts[index] === "take");
}

function* onSome(kind: "delete" | "replace" | "insert", rows: RowSet, places: readonly number[]): Deciding<void> {
  if (places.length > 0) yield { kind, rows: pickRows(rows, places) };
}

function* onCompleted(kind: "replace" | "insert", rows: RowSet, places: readonly number[]): Deciding<void> {
  if (places.length === 0) return;
  const whole = yield* ask({ kind: "complete", rows, places });
  if (whole.count > 0) yield { kind, rows: whole };
}

function* ask<Kind extends keyof OwnedAnswers>(command: Extract<OwnedCommand, { kind: Kind }>): Deciding<OwnedAnswers[Kind]> {
  // Whoever carries commands out answers each as `OwnedAnswers` says.
  return (yield command) as OwnedAnswers[Kind];
}
