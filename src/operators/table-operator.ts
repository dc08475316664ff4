import type { Operator } from "../flow.js";
import type { TableBatch, TableShape } from "../table-batch.js";
import type { TableColumn } from "../value-column.js";

/** What an operator does to one table. */
export interface TableOperator {
  /** Batches into batches, one for one and at once: `TableBatch` sees to the rest. */
  readonly operator: Operator<TableBatch>;
  /** The table as it is afterwards, where names change or columns are added (behind those that are there). */
  readonly table?: TableShape;
  /**
   * Columns whose values it changes. Of a deleted row often only the key is known: it passes by an operator that changes
   * no column of the key. Absent: it may change all, and has to get along with rows of which only the key is there
   * (others are `undefined`), and must keep those.
   */
  readonly writes?: readonly string[];
  /** Rows may be left out. Absent: they may. */
  readonly drops?: boolean;
  /** Where the table's rows go, in place of the destination's rule. */
  readonly sharding?: OperatorSharding;
}

/** A sharding rule that an operator gives a table, as `[[sharded_tables]]` writes it. */
export type OperatorSharding =
  | { readonly kind: "key"; readonly column: string; readonly dataType: "bigint" | "uuid" | "varchar"; readonly hasher: "postgres" | "sha1" }
  | { readonly kind: "shard"; readonly shard: number }
  | { readonly kind: "omnisharded" };

/** What is known where an operator is made for a table. */
export interface OperatorContext {
  /** The name in the pipeline file. */
  readonly name: string;
  /** As the operators before it have made it. */
  readonly table: TableShape;
  /** Tells the operator of the pipeline something, once. */
  note(message: string): void;
  /** Adds to a figure of this operator; the totals are told with the progress. */
  count(figure: string, by: number): void;
}

/** A kind of operator: what pipeline files call `type`. */
export interface OperatorDefinition<Options = unknown> {
  readonly name: string;
  /** Checks the options; its messages say what is expected. */
  readonly options: OptionsSchema<Options>;
  /**
   * The columns that options name, where a table without them is left as it is: each has to be in one of the tables at
   * least, or a misspelt name would do nothing without a word.
   */
  columns?(options: Options): readonly string[];
  /** Called for each table. Undefined: the table is left as it is. */
  create(options: Options, context: OperatorContext): Operator<TableBatch> | TableOperator | undefined;
}

/** As zod's schemas have it (Standard Schema would do). */
export interface OptionsSchema<Options> {
  safeParse(value: unknown): { readonly success: true; readonly data: Options } | { readonly success: false; readonly error: { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] } };
}

/** Describes an operator that pipeline files can name. */
export function defineOperator<Options>(definition: OperatorDefinition<Options>): OperatorDefinition<Options> {
  return definition;
}

/** Columns that name a row. */
export function keyColumns({ columns }: TableShape): readonly TableColumn[] {
  return columns.filter(({ partOfKey }) => partOfKey);
}
