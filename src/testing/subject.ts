import fc from "fast-check";
import type { ValueFormat } from "../postgres/value-format.js";
import type { TableRoute } from "../sharding/table-route.js";
import { arbitraryHistory } from "./arbitrary-history.js";
import type { History } from "./history.js";
import { type Move, tableAfter } from "./move.js";
import { chainOf, type TestOperator } from "./test-operators.js";
import { hasBinaryForm } from "./test-rows.js";
import type { TestTable } from "./test-table.js";

/** What a property is about. */
export interface Subject {
  readonly tables: readonly TestTable[];
  /** What all the tables' rows pass; none where absent. */
  readonly operators?: readonly TestOperator[];
  /** Where rows go, as operators have left them; to every shard where absent. */
  readonly routeOf?: (table: TestTable, shards: number) => TableRoute;
  /** How many there may be; 1 to 3 where absent. */
  readonly shards?: { readonly min: number; readonly max: number };
  /** What values are sent in; where absent binary and text, or text alone where a type has no binary form here. */
  readonly formats?: readonly ValueFormat[];
}

/** For `fc.assert`. */
export type Property = fc.IAsyncProperty<unknown>;

export interface DrawnMove {
  readonly move: Move;
  readonly format: ValueFormat;
}

export function arbitraryMove({ tables, operators = [], routeOf = () => ({ kind: "omnisharded" }), shards: number = { min: 1, max: 3 }, formats = formatsOf(tables) }: Subject): fc.Arbitrary<DrawnMove> {
  return fc.record({ shards: fc.integer(number), format: fc.constantFrom(...formats) }).map(({ shards, format }) => ({
    format,
    move: { tables, shards, chainOf: (table) => chainOf(table, operators), routeOf: (table) => routeOf(table, shards) },
  }));
}

export interface DrawnPlay {
  readonly move: Move;
  readonly history: History;
  readonly cuts: ReadonlySet<number>;
  readonly delays: readonly number[];
}

export function arbitraryPlay(subject: Subject): fc.Arbitrary<DrawnPlay> {
  return arbitraryMove(subject).chain(({ move, format }) => fc.record({
    move: fc.constant(move),
    history: arbitraryHistory(subject.tables, { format }),
    cuts: fc.array(fc.nat(100), { maxLength: 20, size: "max" }).map((places) => new Set(places)),
    delays: fc.array(fc.nat(50), { minLength: 1, maxLength: 5 }),
  }).map((drawn) => ({ ...drawn, move: { ...move, tables: drawn.history.tables } })));
}

/** The tables as operators leave them, for what those have no part in. */
export function behindOperators(subject: Subject): Subject & { readonly operators: readonly [] } {
  return { ...subject, operators: [], tables: subject.tables.map((table) => tableAfter(table, { chainOf: (each) => chainOf(each, subject.operators ?? []) })) };
}

/** Values of a type that is not known cannot be written in binary. */
function formatsOf(tables: readonly TestTable[]): readonly ValueFormat[] {
  return tables.every(({ columns }) => columns.every(hasBinaryForm)) ? ["binary", "text"] : ["text"];
}
