import type { Pipeline } from "../config/types.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import type { PublishedTable } from "../postgres/catalog.js";
import type { TableShape } from "../table-batch.js";
import type { Report } from "./events.js";
import { type LoadedOperator, loadOperators } from "./load-operators.js";
import { chainFor, checkOperatorTables, type RootedTable } from "./table-chain.js";

/** Makes what a table's rows pass; `compared`: of rows that have been counted when they were moved. */
export type ChainOf = (table: TableShape & RootedTable, compared?: boolean) => OperatorChain | undefined;

/** The operators of a pipeline, and what they count. */
export class PipelineOperators {
  readonly #loaded: readonly LoadedOperator[];
  readonly #report: Report;
  readonly #noted = new Set<string>();
  readonly #figures = new Map<string, Record<string, number>>();
  #changed = new Set<string>();

  private constructor(loaded: readonly LoadedOperator[], report: Report) {
    this.#loaded = loaded;
    this.#report = report;
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

  /** Fails where an operator names a table that is not there. */
  checkTables(tables: readonly PublishedTable[]): void {
    checkOperatorTables(this.#loaded, tables);
  }

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
