import { Observable, type Observer, Subject } from "rxjs";
import { expect, test } from "vitest";
import type { Receipt, Source } from "../../src/flow.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { RowBatch } from "../../src/row-batch.js";
import { oneAfterAnother } from "../../src/sources/one-after-another.js";

/** A source that a test drives, and what it was told. */
function driven(): { readonly source: Source<RowBatch, Lsn>; readonly begun: () => boolean; readonly told: number[]; emit(sequence: number, resume?: Lsn): void; complete(): void } {
  let observer: Observer<RowBatch> | undefined;
  const told: number[] = [];
  return {
    source: (receipts$) => new Observable((subscriber) => {
      observer = subscriber;
      return receipts$.subscribe(({ taken }) => { told.push(taken); });
    }),
    begun: () => observer !== undefined,
    told,
    emit(sequence, resume) {
      observer!.next({ sequence, bytes: 0, ...(resume === undefined ? {} : { resume }), buffer: Buffer.alloc(0), count: 0, starts: new Uint32Array(0), ends: new Uint32Array(0) });
    },
    complete() { observer!.complete(); },
  };
}

test("batches are counted through, receipts are counted back, and only the last batch of all ends", () => {
  const [first, second] = [driven(), driven()];
  const receipts$ = new Subject<Receipt<Lsn>>();
  const seen: unknown[] = [];
  oneAfterAnother([first.source, second.source])(receipts$).subscribe({ next: ({ sequence, resume }) => { seen.push([sequence, resume]); }, complete: () => { seen.push("end"); } });
  first.emit(0);
  receipts$.next({ taken: 0 });
  first.emit(1, 5n);
  expect(second.begun()).toBe(false);
  first.complete();
  second.emit(0);
  receipts$.next({ taken: 1 });
  receipts$.next({ taken: 2 });
  second.emit(1, 7n);
  second.complete();
  expect(seen).toEqual([[0, undefined], [1, undefined], [2, undefined], [3, 7n], "end"]);
  expect([first.told, second.told]).toEqual([[0], [-1, 0]]);
});
