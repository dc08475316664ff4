import { displayWidth, left, printable } from "../view/fit.js";
import type { GraphFlow, GraphPart, PipelineGraph } from "./pipeline-graph.js";

/** Names are aligned up to this width, and cut beyond it. */
const LONGEST_NAME = 28;
/** Summaries are not made narrower. */
const LEAST_SUMMARY = 20;

/** A line: what stands before the name, and before the lines that the summary goes on with. */
interface Line {
  readonly before: string;
  readonly below: string;
  readonly part: GraphPart;
}

/**
 * For a terminal: each stage, and below it, where `expanded`, what its rows pass from top to bottom. The pipeline's own
 * operators have a star.
 */
export function textGraph({ title, stages }: PipelineGraph, { expanded, width }: { readonly expanded: boolean; readonly width: number }): string {
  const digits = String(stages.length).length;
  const indent = " ".repeat(digits + 2);
  const blocks = stages.map((part, index): Line[] => [
    { before: `${String(index + 1).padStart(digits)}  `, below: indent, part },
    ...(expanded && part.flow !== undefined ? flowLines(part.flow, indent) : []),
  ]);
  const names = blocks.flat().map(({ before, part }) => displayWidth(before + printable(part.name)));
  const column = Math.min(LONGEST_NAME, Math.max(...names)) + 2;
  const text = blocks.map((lines) => lines.flatMap((line) => wrappedLine(line, column, width)).join("\n"));
  return `${[...wrapped(printable(title), width), "", text.join(expanded ? "\n\n" : "\n")].join("\n")}\n`;
}

function flowLines({ sources, operators, sinks }: GraphFlow, indent: string): Line[] {
  return [
    ...sources.map((part, index) => ({ before: `${indent}${index === 0 ? "┌" : "├"}─ `, below: `${indent}│`, part })),
    ...operators.map((part) => ({ before: `${indent}│${part.own === true ? "* " : "  "}`, below: `${indent}│`, part })),
    ...sinks.map((part, index) => ({ before: `${indent}${index === sinks.length - 1 ? "└" : "├"}→ `, below: `${indent}${index === sinks.length - 1 ? " " : "│"}`, part })),
  ];
}

function wrappedLine({ before, below, part }: Line, column: number, width: number): string[] {
  const [first, ...more] = wrapped(printable(part.summary), Math.max(LEAST_SUMMARY, width - column));
  return [`${left(before + printable(part.name), column - 1)} ${first ?? ""}`.trimEnd(), ...more.map((line) => `${left(below, column)}${line}`)];
}

/** Broken at blanks only: an address or a path is copied as a whole. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && displayWidth(`${last} ${word}`) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
