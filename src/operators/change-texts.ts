import { type ChangeBatch, DELETE, INSERT, NO_TUPLE, type SourceTransaction, TRUNCATE } from "../change-batch.js";
import type { PgoutputRelation, PgoutputTruncate } from "../postgres/pgoutput-message.js";
import type { SqlTable } from "./sql-of-rows.js";
import { type ValueText, ValueTexts } from "./value-texts.js";

/** A relation's table, its columns in the relation's order. */
export interface ChangedTable extends SqlTable {
  /** Columns that are sent and are not wanted: generated ones. */
  readonly unwritten: readonly string[];
}

/** A change with its values as texts. */
export type TextChange = { readonly table: ChangedTable; readonly transaction: SourceTransaction } & (
  | { readonly kind: "insert"; readonly after: readonly ValueText[] }
  /** `before`: what is known of the row as it was, its key or all of it; undefined where the key is what it is now. */
  | { readonly kind: "update"; readonly before: readonly ValueText[] | undefined; readonly after: readonly ValueText[] }
  | { readonly kind: "delete"; readonly before: readonly ValueText[] }
  /** Once for all tables of the statement. */
  | { readonly kind: "truncate"; readonly tables: readonly ChangedTable[]; readonly restartIdentity: boolean }
);

/** Reads changes for those who write them out. */
export class ChangeTexts {
  readonly #describe: (relation: PgoutputRelation) => ChangedTable;
  readonly #known = new Map<PgoutputRelation, { readonly table: ChangedTable; readonly texts: ValueTexts; readonly inKey: readonly boolean[]; readonly wanted: readonly boolean[] }>();

  constructor(describe: (relation: PgoutputRelation) => ChangedTable) {
    this.#describe = describe;
  }

  each(batch: ChangeBatch, use: (change: TextChange) => void): void {
    const { buffer, kinds, oldTuples, oldTupleIsRow, newTuples, truncates } = batch;
    let truncated: PgoutputTruncate | undefined;
    for (let change = 0; change < batch.count; change++) {
      const { table, texts, inKey, wanted } = this.#of(batch.relations[batch.relationOf[change]!]!);
      const common = { table, transaction: batch.transactions[batch.transactionOf[change]!]! };
      if (kinds[change] === TRUNCATE) {
        const message = truncates.get(change)!;
        // Its tables come one after the other.
        if (message !== truncated) use({ ...common, kind: "truncate", tables: this.#tablesOf(batch, change, message), restartIdentity: message.restartIdentity });
        truncated = message;
        continue;
      }
      truncated = undefined;
      const read = (tuple: number, isRow: boolean): ValueText[] | undefined => (tuple === NO_TUPLE ? undefined : texts.ofTuple(buffer, tuple, (column) => wanted[column]! && (isRow || inKey[column]!)));
      const before = read(oldTuples[change]!, oldTupleIsRow[change] === 1);
      const after = read(newTuples[change]!, true);
      if (kinds[change] === DELETE) use({ ...common, kind: "delete", before: before! });
      else if (kinds[change] === INSERT) use({ ...common, kind: "insert", after: after! });
      else use({ ...common, kind: "update", before, after: after! });
    }
  }

  #tablesOf(batch: ChangeBatch, first: number, message: PgoutputTruncate): ChangedTable[] {
    const tables: ChangedTable[] = [];
    for (let change = first; change < batch.count && batch.truncates.get(change) === message; change++) tables.push(this.#of(batch.relations[batch.relationOf[change]!]!).table);
    return tables;
  }

  #of(relation: PgoutputRelation): { readonly table: ChangedTable; readonly texts: ValueTexts; readonly inKey: readonly boolean[]; readonly wanted: readonly boolean[] } {
    let known = this.#known.get(relation);
    if (known === undefined) {
      const table = this.#describe(relation);
      known = { table, texts: new ValueTexts(table.columns), inKey: relation.columns.map(({ partOfKey }) => partOfKey), wanted: table.columns.map(({ name }) => !table.unwritten.includes(name)) };
      this.#known.set(relation, known);
    }
    return known;
  }
}
