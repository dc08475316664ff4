import type { Observable } from "rxjs";
import { interrupted } from "./interrupted.js";

/** Subscribes and waits for the end; unsubscribes, and fails with INTERRUPTED, when the operator asks to stop. */
export async function untilDone<T>(flow$: Observable<T>, signal: AbortSignal, each?: (value: T) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (signal.aborted) {
      reject(interrupted());
      return;
    }
    const onAbort = (): void => {
      subscription.unsubscribe();
      reject(interrupted());
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const subscription = flow$.subscribe({
      ...(each === undefined ? {} : { next: each }),
      error(error: unknown) {
        signal.removeEventListener("abort", onAbort);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
      complete() {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
    });
  });
}
