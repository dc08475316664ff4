import { SimulationFailure } from "./failure.js";
import { type Parts, REAL } from "./parts.js";
import { simulate } from "./simulation.js";

export interface FoundFailure {
  /** `error`: something was thrown that the source never met. */
  readonly kind: SimulationFailure["kind"] | "error";
  /** What went wrong, what happened last, and how to see it again. */
  readonly report: string;
}

const TRACE_LINES = 60;

/** What goes wrong with a seed; undefined where nothing does. */
export function failureOf(seed: number, parts: Parts = REAL): FoundFailure | undefined {
  try {
    simulate(seed, parts);
    return undefined;
  } catch (first) {
    // Again, now with its trace; the simulation would be worth little if it did not fail the same way.
    const trace: string[] = [];
    try {
      simulate(seed, parts, trace);
    } catch (error) {
      return { kind: error instanceof SimulationFailure ? error.kind : "error", report: reportOf(seed, error, trace) };
    }
    throw new Error(`seed ${seed} failed once and passed once`, { cause: first });
  }
}

function reportOf(seed: number, error: unknown, trace: readonly string[]): string {
  const what = error instanceof SimulationFailure ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  return [
    `Seed ${seed}: ${what}`,
    `To see it again: SIMULATION_SEED=${seed} npx vitest run test/simulation/simulation.test.ts`,
    `What happened last, of ${trace.length} entries:`,
    ...trace.slice(-TRACE_LINES).map((entry) => `  ${entry}`),
  ].join("\n");
}
