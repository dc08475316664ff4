import { describe, expect, test } from "vitest";
import { failureOf } from "./failure-of.js";
import { SABOTAGES } from "./sabotages.js";

/** The first seed that finds one of these failures. */
function firstFinding(name: string): number | undefined {
  const { parts, found, within } = SABOTAGES[name]!;
  for (let seed = 1; seed <= within; seed++) {
    const failure = failureOf(seed, parts);
    if (failure !== undefined && found.includes(failure.kind)) return seed;
  }
  return undefined;
}

describe("the simulation finds code that", () => {
  test.each(Object.keys(SABOTAGES))("%s", (name) => {
    expect(firstFinding(name)).toBeDefined();
  });
});
