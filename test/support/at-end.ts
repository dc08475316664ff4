import { afterAll } from "vitest";

const steps: (() => unknown)[] = [];

afterAll(async () => {
  for (const step of steps.splice(0).reverse()) await step();
});

/** Has something done after a file's tests, the last first. An `afterAll` that is called in a hook or a test is never run. */
export function atEnd(step: () => unknown): void {
  steps.push(step);
}
