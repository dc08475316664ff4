import { type Command, Option } from "commander";
import { readPipelineFile } from "../config/load.js";
import type { Execute } from "./execute.js";
import { dotGraph } from "./graph/dot-graph.js";
import { mermaidGraph } from "./graph/mermaid-graph.js";
import { type PipelineGraph, pipelineGraph } from "./graph/pipeline-graph.js";
import { textGraph } from "./graph/text-graph.js";

const FORMATS = {
  text: textGraph,
  mermaid: mermaidGraph,
  dot: dotGraph,
} as const satisfies Readonly<Record<string, (graph: PipelineGraph, options: { readonly expanded: boolean; readonly width: number }) => string>>;

export function addGraph(program: Command, execute: Execute): void {
  program
    .command("graph")
    .summary("show what a pipeline file will do")
    .description("Shows the stages of a pipeline file in the order in which they run. Asks no server.")
    .argument("<file>", "a pipeline file")
    .option("--expanded", "show what rows and changes pass within the stages, too: sources, operators (the file's own have a star), and a sink for each shard")
    .addOption(new Option("--format <format>", "for a terminal, for Markdown, or for Graphviz").choices(Object.keys(FORMATS)).default("text"))
    .addHelpText("after", "\nExamples:\n  pg-reshard graph reshard.toml --expanded\n  pg-reshard graph reshard.toml --format dot | dot -Tsvg > reshard.svg")
    .action(async (file: string, { expanded = false, format }: { readonly expanded?: boolean; readonly format: keyof typeof FORMATS }) => {
      await execute("graph", ({ terminal }) => {
        const graph = pipelineGraph(readPipelineFile(file, terminal.environment));
        return Promise.resolve({ ok: true, text: FORMATS[format](graph, { expanded, width: terminal.columns }), fields: { graph } });
      });
    });
}
