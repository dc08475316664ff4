import type { TableBatch } from "../table-batch.js";
import type { OperatorChain } from "./operator-chain.js";
import { RunningOperator } from "./running-operator.js";

/** A chain at work: keeps what its operators keep from batch to batch. */
export class RunningChain {
  readonly #operators: readonly RunningOperator[];

  constructor({ input, operators }: OperatorChain) {
    let table = input;
    this.#operators = operators.map((named) => {
      const running = new RunningOperator(named, table);
      table = named.operator.table ?? table;
      return running;
    });
  }

  /** Rows of which all is known. */
  rows(batch: TableBatch): TableBatch {
    return this.#operators.reduce((rows, operator) => operator.rows(rows), batch);
  }

  /** Rows of which only the key is known: as many come out. */
  keys(batch: TableBatch): TableBatch {
    return this.#operators.reduce((keys, operator) => operator.keys(keys), batch);
  }

  close(): void {
    for (const operator of this.#operators) operator.close();
  }
}
