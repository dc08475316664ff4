import { printable } from "../view/fit.js";
import type { GraphFlow, GraphPart, PipelineGraph } from "./pipeline-graph.js";

/** A digraph in Graphviz' language: `pg-reshard graph … --format dot | dot -Tsvg`. */
export function dotGraph({ title, stages }: PipelineGraph, { expanded }: { readonly expanded: boolean }): string {
  const lines = [
    "digraph pipeline {",
    `  label=${quoted(title)}; labelloc=t; rankdir=TB; compound=true; fontname="sans-serif";`,
    '  node [shape=box, fontname="sans-serif"]; edge [fontname="sans-serif"];',
  ];
  const ends: { readonly first: string; readonly last: string; readonly cluster: string | undefined }[] = [];
  for (const [index, stage] of stages.entries()) {
    const id = `s${index + 1}`;
    const name = labelled({ ...stage, name: `${index + 1} ${stage.name}` });
    if (!expanded || stage.flow === undefined) {
      lines.push(`  ${id} [label=${name}];`);
      ends.push({ first: id, last: id, cluster: undefined });
    } else {
      lines.push(`  subgraph cluster_${id} {`, `    label=${name};`, ...flowLines(id, stage.flow).map((line) => `    ${line}`), "  }");
      ends.push({ first: `${id}_from0`, last: `${id}_to0`, cluster: `cluster_${id}` });
    }
  }
  for (const [index, { first, cluster }] of ends.entries()) {
    const before = ends[index - 1];
    if (before === undefined) continue;
    const between = [before.cluster === undefined ? "" : `ltail=${before.cluster}`, cluster === undefined ? "" : `lhead=${cluster}`].filter((part) => part !== "");
    lines.push(`  ${before.last} -> ${first} [${["style=bold", ...between].join(", ")}];`);
  }
  return `${[...lines, "}"].join("\n")}\n`;
}

function flowLines(stage: string, { sources, operators, sinks }: GraphFlow): readonly string[] {
  const ids = (parts: readonly GraphPart[], kind: string): string[] => parts.map((_, index) => `${stage}_${kind}${index}`);
  const [from, by, to] = [ids(sources, "from"), ids(operators, "by"), ids(sinks, "to")];
  const columns = [`{ ${from.join(" ")} }`, ...by, `{ ${to.join(" ")} }`];
  return [
    ...sources.map((part, index) => `${from[index]!} [shape=cylinder, label=${labelled(part)}];`),
    ...operators.map((part, index) => `${by[index]!} [${part.own === true ? 'style=filled, fillcolor="#fff3bf", ' : ""}label=${labelled(part)}];`),
    ...sinks.map((part, index) => `${to[index]!} [shape=cylinder, label=${labelled(part)}];`),
    `${columns.join(" -> ")};`,
  ];
}

function labelled({ name, summary }: GraphPart): string {
  return `"${escaped(name)}\\n${escaped(summary)}"`;
}

function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

function escaped(text: string): string {
  return printable(text).replaceAll(/["\\]/gu, "\\$&");
}
