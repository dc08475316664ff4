import { Subject, type Subscription } from "rxjs";
import { ReshardError } from "../errors.js";
import { displayName } from "../postgres/identifiers.js";
import type { TableBatch, TableShape } from "../table-batch.js";
import type { NamedOperator } from "./operator-chain.js";
import { keyColumns } from "./table-operator.js";

/** An operator at work on one table: sees to it that one batch comes out for each, at once, and that a key is not lost. */
export class RunningOperator {
  readonly #name: string;
  readonly #concernsKeys: boolean;
  readonly #in = new Subject<TableBatch>();
  readonly #subscription: Subscription;
  #out: TableBatch[] = [];
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  constructor({ name, operator }: NamedOperator, table: TableShape) {
    this.#name = name;
    const keys = keyColumns(table).map((column) => column.name);
    this.#concernsKeys = operator.table !== undefined || operator.writes === undefined || operator.writes.some((column) => keys.includes(column));
    this.#subscription = this.#in.pipe(operator.operator).subscribe({
      next: (batch) => { this.#out.push(batch); },
      error: (error: unknown) => { this.#failure = { error }; },
      complete: () => { this.#ended = true; },
    });
  }

  /** Rows of which all is known. */
  rows(batch: TableBatch): TableBatch {
    return this.#pass(batch);
  }

  /** Rows of which only the key is known: as many come out. */
  keys(batch: TableBatch): TableBatch {
    if (!this.#concernsKeys) return batch;
    const out = this.#pass(batch);
    if (out.count === batch.count) return out;
    const kept = new Set(out.origins);
    const row = batch.origins.findIndex((origin) => !kept.has(origin));
    throw this.#error("OPERATOR_DROPPED_KEY", `left out the ${batch.describe(row)}: only its key is known, for it was deleted or its key has changed, and a row that is left where it was would stay there for ever.`, "Declare the columns that the operator writes (writes), without those of the key if it leaves them alone; or give the table REPLICA IDENTITY FULL on the source.");
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #pass(batch: TableBatch): TableBatch {
    this.#out = [];
    this.#in.next(batch);
    if (this.#failure !== undefined) throw this.#wrapped(this.#failure.error, batch);
    const [out, ...more] = this.#out;
    if (out === undefined || more.length > 0 || this.#ended) {
      throw this.#error("OPERATOR_NOT_ONE_FOR_ONE", `gave ${this.#out.length} batches for one of ${displayName(batch.table)}${this.#ended ? " and ended" : ""}.`, "Each batch has to come out at once as one batch, an empty one if need be: its position in the stream is lost otherwise. Use map, and no operator that waits, skips or gathers.");
    }
    if (out.sequence !== batch.sequence || out.count > batch.count) {
      throw this.#error("OPERATOR_NOT_ONE_FOR_ONE", `gave another batch of ${displayName(batch.table)} than the one that came.`, "Make what comes out of what comes in: filter, with, reshape.");
    }
    return out;
  }

  #wrapped(error: unknown, batch: TableBatch): unknown {
    if (error instanceof ReshardError) return new ReshardError(error.code, `Operator "${this.#name}": ${error.message}`, { ...(error.remedy === undefined ? {} : { remedy: error.remedy }), kind: error.kind, place: error.place, cause: error.cause ?? error });
    const first = batch.count === 0 ? displayName(batch.table) : `a batch of ${batch.count} that begins with the ${batch.describe(0)}`;
    return new ReshardError("OPERATOR_FAILED", `Operator "${this.#name}" threw for ${first}: ${error instanceof Error ? error.message : String(error)}`, {
      remedy: "Nothing was lost: correct the operator and run the pipeline again.",
      place: { table: displayName(batch.table) },
      cause: error,
    });
  }

  #error(code: string, message: string, remedy: string): ReshardError {
    return new ReshardError(code, `Operator "${this.#name}" ${message}`, { remedy });
  }
}
