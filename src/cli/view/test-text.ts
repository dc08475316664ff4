import { placeText } from "../../config/configuration-error.js";
import type { TestResult } from "../../pipeline-tests/run-pipeline-test.js";
import { failureText } from "../failure.js";
import { printable } from "./fit.js";
import type { Paint } from "./paint.js";

/** A line for a test that passed; for one that failed, how what came differs from what was expected. */
export function testText({ test, ok, lines, error }: TestResult, paint: Paint): string {
  if (ok) return `${paint.good("✓")} ${printable(test.name)}\n`;
  const text = [`${paint.bad("✗")} ${printable(test.name)}`, paint.dim(`  ${placeText(test.place)}`)];
  if (error !== undefined) text.push(...failureText(error).trimEnd().split("\n").map((line) => `  ${line}`));
  if (test.expected.kind === "error") text.push(`  expected an error: ${test.expected.code}`);
  if (test.expected.kind === "error" && error === undefined) text.push("  it did not come, but", ...lines.map(({ text: line }) => `    ${printable(line)}`));
  if (test.expected.kind !== "error" && error === undefined) {
    text.push("  - expected, + came", ...lines.map(({ sign, text: line }) => {
      const shown = `  ${sign} ${printable(line)}`;
      return sign === "-" ? paint.bad(shown) : sign === "+" ? paint.good(shown) : shown;
    }));
  }
  return `${text.join("\n")}\n`;
}
