import { delay, map, of, startWith, Subject, take, throwError } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, test } from "vitest";
import { type Batch, type Receipt, run, type Sink, type Source } from "../../src/flow.js";

type Small = Batch<number>;

const batches: Record<string, Small> = {
  a: { sequence: 0, bytes: 10 },
  b: { sequence: 1, bytes: 10, resume: 100 },
  c: { sequence: 2, bytes: 10 },
};
const receipts: Record<string, Receipt<number>> = { a: { taken: 0 }, b: { taken: 1, durable: 100 }, c: { taken: 2 } };

/** Answers each batch in the same moment. */
const answer: Sink<Small, number> = map((batch) => ({ taken: batch.sequence, ...(batch.resume === undefined ? {} : { durable: batch.resume }) }));
const same = map((batch: Small) => batch);

function scheduler(): TestScheduler {
  return new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
}

describe("run", () => {
  test("passes batches forward and receipts back to the source and out", () => {
    scheduler().run(({ cold, expectObservable, flush }) => {
      const seen: Receipt<number>[] = [];
      const source: Source<Small, number> = (receipts$) => {
        receipts$.subscribe((receipt) => seen.push(receipt));
        return cold("-a-b--c|", batches);
      };
      expectObservable(run(source, same, answer)).toBe("-a-b--c|", receipts);
      flush();
      expect(seen).toEqual([receipts["a"], receipts["b"], receipts["c"]]);
    });
  });

  test("starts with the subscription and stops the source with its end", () => {
    scheduler().run(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold("-a-b--c--", batches);
      expectObservable(run(() => source$, same, answer), "--^---!").toBe("---a-b-", receipts);
      expectSubscriptions(source$.subscriptions).toBe("--^---!");
    });
  });

  test("an error of the source, the operator or the sink ends it and lets the source go", () => {
    scheduler().run(({ cold, expectObservable, expectSubscriptions }) => {
      const failure = new Error("no");
      expectObservable(run(() => cold("-a-#", batches, failure), same, answer)).toBe("-a-#", receipts, failure);

      const first$ = cold("-a-b--c|", batches);
      const failing = map((batch: Small): Small => {
        if (batch.sequence === 1) throw failure;
        return batch;
      });
      expectObservable(run(() => first$, failing, answer)).toBe("-a-#", receipts, failure);
      expectSubscriptions(first$.subscriptions).toBe("^--!");

      const second$ = cold("-a-b--c|", batches);
      const broken: Sink<Small, number> = (batches$) => batches$.pipe(map((batch) => {
        if (batch.sequence === 1) throw failure;
        return { taken: batch.sequence };
      }));
      expectObservable(run(() => second$, same, broken)).toBe("-a-#", receipts, failure);
      expectSubscriptions(second$.subscriptions).toBe("^--!");
    });
  });

  test("receipts end with the run, however it ends", () => {
    for (const end of ["complete", "error", "unsubscribe"] as const) {
      let completed = false;
      const batches$ = new Subject<Small>();
      const subscription = run((receipts$) => {
        receipts$.subscribe({ complete: () => { completed = true; } });
        return batches$;
      }, same, answer).subscribe({ error: () => undefined });
      expect(completed).toBe(false);
      if (end === "complete") batches$.complete();
      else if (end === "error") batches$.error(new Error("no"));
      else subscription.unsubscribe();
      expect(completed).toBe(true);
    }
  });

  test("each subscription starts the source anew, with receipts of its own", () => {
    const started: Receipt<number>[][] = [];
    const source: Source<Small, number> = (receipts$) => {
      const seen: Receipt<number>[] = [];
      started.push(seen);
      receipts$.subscribe((receipt) => seen.push(receipt));
      return of(batches["a"]!);
    };
    const flow$ = run(source, same, answer);
    flow$.subscribe();
    flow$.subscribe();
    expect(started).toEqual([[{ taken: 0 }], [{ taken: 0 }]]);
  });

  test("a source that waits for receipts goes on with each", () => {
    scheduler().run(({ expectObservable }) => {
      // One batch on the way: the next is sent when the former has been taken.
      const source: Source<Small, number> = (receipts$) =>
        receipts$.pipe(startWith({ taken: -1 }), map(({ taken }) => [batches["a"]!, batches["b"]!, batches["c"]!][taken + 1]!), take(3));
      const slow: Sink<Small, number> = (batches$) => batches$.pipe(delay(3), answer);
      expectObservable(run(source, same, slow)).toBe("---a--b--(c|)", receipts);
    });
  });

  test("a source that fails at once fails the run", () => {
    const errors: unknown[] = [];
    run<Small, Small, number>(() => throwError(() => new Error("at once")), same, answer).subscribe({ error: (error) => errors.push(error) });
    expect(errors).toEqual([new Error("at once")]);
  });
});
