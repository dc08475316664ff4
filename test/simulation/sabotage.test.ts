import { describe, expect, test } from "vitest";
import { failureOf } from "./failure-of.js";
import { SABOTAGES } from "./sabotages.js";

/** A seed that finds one of these failures: the one that has, or the first. */
function finding(name: string): number | undefined {
  const { parts, found, within, shownBy } = SABOTAGES[name]!;
  const finds = (seed: number): boolean => {
    const failure = failureOf(seed, parts);
    return failure !== undefined && found.includes(failure.kind);
  };
  if (shownBy !== undefined && finds(shownBy)) return shownBy;
  for (let seed = 1; seed <= within; seed++) if (finds(seed)) return seed;
  return undefined;
}

describe("the simulation finds code that", () => {
  test.each(Object.keys(SABOTAGES))("%s", (name) => {
    expect(finding(name)).toBeDefined();
  });
});
