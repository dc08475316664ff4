import type { Pipeline } from "../config/types.js";
import type { Batch, Operator } from "../flow.js";
import { Throttle, throttle, type ThrottleOptions, throttleOperator } from "../operators/stock/throttle.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import type { PublishedTable } from "../postgres/catalog.js";
import type { TableShape } from "../table-batch.js";
import { checkOperatorColumns, checkOperatorTables } from "./check-operators.js";
import type { Report } from "./events.js";
import { type LoadedOperator, loadOperators } from "./load-operators.js";
import { chainFor, type RootedTable } from "./table-chain.js";
import { shapeOf } from "./table-shapes.js";

/** Makes what a table's rows pass; `compared`: of rows that have been counted when they were moved. */
export type ChainOf = (table: TableShape & RootedTable, compared?: boolean) => OperatorChain | undefined;

/** The operators of a pipeline, and what they count. */
export class PipelineOperators {
  readonly #loaded: readonly LoadedOperator[];
  readonly #report: Report;
  readonly #noted = new Set<string>();
  readonly #figures = new Map<string, Record<string, number>>();
  #changed = new Set<string>();
  /** What all batches of the pipeline share. */
  readonly #throttles: readonly Throttle[];

  private constructor(loaded: readonly LoadedOperator[], report: Report) {
    this.#loaded = loaded;
    this.#report = report;
    this.#throttles = loaded.flatMap(({ definition, options }) => (definition === throttleOperator ? [new Throttle(options as ThrottleOptions)] : []));
  }

  /** Fails as `loadOperators`. */
  static async load({ operators }: Pick<Pipeline, "operators">, report: Report): Promise<PipelineOperators> {
    return new PipelineOperators(await loadOperators(operators), report);
  }

  readonly chainOf: ChainOf = (table, compared = false) => chainFor(this.#loaded, table, {
    note: (message) => {
      // A table's operators are made more than once.
      if (this.#noted.has(message)) return;
      this.#noted.add(message);
      this.#report({ type: "note", message });
    },
    count: (operator, figure, by) => {
      if (!compared) this.#count(operator, figure, by);
    },
  });

  /** Holds batches back that are on their way, where the pipeline says how many may pass in a second. */
  paced<B extends Batch<unknown> & { readonly count: number }>(): Operator<B> {
    return (batches$) => this.#throttles.reduce((paced$, shared) => paced$.pipe(throttle<B>(shared, ({ count }) => count)), batches$);
  }

  /** Fails where an operator names a table or a column that is not there. */
  readonly checkTables = (tables: readonly PublishedTable[]): void => {
    checkOperatorTables(this.#loaded, tables);
    checkOperatorColumns(this.#loaded, tables.map(shapeOf));
  };

  /** Tells the figures that have changed since the last call. */
  tell(): void {
    for (const operator of this.#changed) this.#report({ type: "operator-figures", operator, figures: { ...this.#figures.get(operator)! } });
    this.#changed = new Set();
  }

  #count(operator: string, figure: string, by: number): void {
    const figures = this.#figures.get(operator) ?? {};
    figures[figure] = (figures[figure] ?? 0) + by;
    this.#figures.set(operator, figures);
    this.#changed.add(operator);
  }
}
