const steps: (() => unknown)[] = [];

/**
 * Has something done after a file's tests, the last first. An `afterAll` that is called in a hook or a test is never run,
 * and the process goes on with other files.
 */
export function atEnd(step: () => unknown): void {
  steps.push(step);
}

/** For `run-ends.ts`. */
export async function runEnds(): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
