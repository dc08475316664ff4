import { of } from "rxjs";
import { defect } from "../errors.js";
import type { Operator } from "../flow.js";

/** One batch through an operator, at once. */
export function passed<A, B>(batch: A, operator: Operator<A, B>): B {
  const out: B[] = [];
  let failure: { readonly error: unknown } | undefined;
  of(batch).pipe(operator).subscribe({
    next: (made) => { out.push(made); },
    error: (error: unknown) => { failure = { error }; },
  });
  if (failure !== undefined) throw failure.error;
  if (out.length !== 1) throw defect(`${out.length} batches came of one`);
  return out[0]!;
}
