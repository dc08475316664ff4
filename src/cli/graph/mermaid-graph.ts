import { printable } from "../view/fit.js";
import type { GraphFlow, GraphPart, PipelineGraph } from "./pipeline-graph.js";

/** A flowchart of Mermaid, as Markdown pages show it. */
export function mermaidGraph({ title, stages }: PipelineGraph, { expanded }: { readonly expanded: boolean }): string {
  const lines = [`---`, `title: ${JSON.stringify(printable(title))}`, `---`, "flowchart TB"];
  for (const [index, stage] of stages.entries()) {
    const id = `s${index + 1}`;
    if (!expanded || stage.flow === undefined) lines.push(`  ${id}["${label({ ...stage, name: `${index + 1} ${stage.name}` })}"]`);
    else lines.push(`  subgraph ${id}["${label({ ...stage, name: `${index + 1} ${stage.name}` })}"]`, "    direction TB", ...flowLines(id, stage.flow).map((line) => `    ${line}`), "  end");
    if (index > 0) lines.push(`  s${index} ==> ${id}`);
  }
  if (expanded) lines.push("  classDef own fill:#fff3bf,stroke:#e67700,color:#000");
  return `${lines.join("\n")}\n`;
}

function flowLines(stage: string, { sources, operators, sinks }: GraphFlow): readonly string[] {
  const nodes = [
    ...sources.map((part, index) => `${stage}_from${index}[("${label(part)}")]`),
    ...operators.map((part, index) => `${stage}_by${index}["${label(part)}"]${part.own === true ? ":::own" : ""}`),
    ...sinks.map((part, index) => `${stage}_to${index}[("${label(part)}")]`),
  ];
  const by = operators.map((_, index) => `${stage}_by${index}`);
  const from = sources.map((_, index) => `${stage}_from${index}`);
  const to = sinks.map((_, index) => `${stage}_to${index}`);
  return [...nodes, [from.join(" & "), ...by, to.join(" & ")].join(" --> ")];
}

function label({ name, summary }: GraphPart): string {
  return [`<b>${escaped(name)}</b>`, escaped(summary)].join("<br/>");
}

/** Mermaid's own entities: `#` begins them. */
function escaped(text: string): string {
  return printable(text).replaceAll(/[#&<>"`]/gu, (character) => `#${character.codePointAt(0)!};`);
}
