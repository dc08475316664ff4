import type { Rate, Result } from "./result.js";
import type { Spread } from "./statistics.js";

/** The figures for people: one block a benchmark, medians with what lay around them in brackets. */
export function resultTable(results: readonly Result[]): string {
  return results.map(block).join("\n");
}

function block(result: Result): string {
  const head = ["", "seconds", ...result.subjectRates.map((rate) => rate.unit)];
  const rows = [
    head,
    [result.subject.label, spreadText(result.subjectSeconds), ...result.subjectRates.map(spreadText)],
    [result.baseline.label, spreadText(result.baselineSeconds), ...result.baselineRates.map(spreadText)],
  ];
  const lines = [
    `${result.benchmark}: ${result.what}`,
    ...columns(rows).map((line) => `  ${line}`),
    `  time ${spreadText(result.timeRatio)} of the other's, rate ${spreadText(result.rateRatio)} times the other's`,
    `  target: ${result.target.text} - ${result.reached ? "reached" : "NOT reached"}`,
    ...Object.entries(result.conditions).map(([name, value]) => `  ${name}: ${value}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** Cells laid under each other: the first column to the left, figures to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  ").trimEnd());
}

function spreadText(spread: Spread | Rate): string {
  return `${figure(spread.median)} (${figure(spread.least)}-${figure(spread.most)})`;
}

/** Three digits that mean something: `1.23`, `45.6`, `789`, `1,234,000`. */
export function figure(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = value >= 1000 ? Number(value.toPrecision(3)) : value;
  return rounded.toLocaleString("en-US", { minimumFractionDigits: Math.min(digits, 4), maximumFractionDigits: Math.min(digits, 4) });
}
