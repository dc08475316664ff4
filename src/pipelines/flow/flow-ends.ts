import { createHash } from "node:crypto";
import type { z } from "zod";
import { type Problem, quoted } from "../../config/configuration-error.js";
import { didYouMean } from "../../config/did-you-mean.js";
import type { FlowEnd, FlowStage } from "../../config/types.js";
import { checkedEntryOptions } from "../entry-options.js";
import { changesSource, changesSourceOptions } from "./changes-source.js";
import { copyFileSource, copyFileSourceOptions } from "./copy-file-source.js";
import type { FlowContext, FlowSink, FlowSource } from "./flow-parts.js";
import { nullSink, nullSinkOptions } from "./null-sink.js";
import { shardsSink, shardsSinkOptions } from "./shards-sink.js";
import { tableSource, tableSourceOptions } from "./table-source.js";
import { csvSink, csvSinkOptions, ndjsonSink, sqlSink, textSinkOptions } from "./text-sinks.js";

/** A kind of source: what `type` names. */
interface SourceType<Options> {
  /** What it does, in a line. */
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  readonly database: "needed" | "possible";
  /** @param sink where the rows go to */
  readonly open: (entry: FlowEnd, options: Options, context: FlowContext, sink: FlowEnd) => Promise<FlowSource>;
}

interface SinkType<Options> {
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  readonly database: "needed" | "none";
  /** @param flow names the flow among all that write to the same place */
  readonly open: (entry: FlowEnd, options: Options, context: FlowContext, flow: string) => FlowSink;
}

/** What its options are is forgotten, but that they belong together. */
const source = <Options>(type: SourceType<Options>): SourceType<unknown> => type as SourceType<unknown>;
const sink = <Options>(type: SinkType<Options>): SinkType<unknown> => type as SinkType<unknown>;

/** By what pipeline files call them. */
export const FLOW_SOURCES: Readonly<Record<string, SourceType<unknown>>> = {
  table: source({ summary: "the rows of a table, as one snapshot of each shard shows them", options: tableSourceOptions, database: "needed", open: tableSource }),
  "copy-file": source({ summary: "a file that COPY has written, in its binary or text format", options: copyFileSourceOptions, database: "possible", open: (entry, options, context, to) => copyFileSource(entry, options, context, to.database) }),
  changes: source({ summary: "what a publication sends from a logical slot", options: changesSourceOptions, database: "needed", open: changesSource }),
};

export const FLOW_SINKS: Readonly<Record<string, SinkType<unknown>>> = {
  shards: sink({ summary: "a database's tables, by its sharding rules", options: shardsSinkOptions, database: "needed", open: (entry, _, context, flow) => shardsSink(entry, context, flow) }),
  ndjson: sink({ summary: "JSON, an object a line", options: textSinkOptions, database: "none", open: ndjsonSink }),
  csv: sink({ summary: "CSV, as COPY writes it", options: csvSinkOptions, database: "none", open: csvSink }),
  sql: sink({ summary: "statements for psql", options: textSinkOptions, database: "none", open: sqlSink }),
  null: sink({ summary: "nothing: what comes is counted", options: nullSinkOptions, database: "none", open: (_, __, context) => nullSink(context) }),
};

/** A flow's source and sink, their options checked. */
export interface FlowEnds {
  readonly openSource: (context: FlowContext) => Promise<FlowSource>;
  readonly openSink: (context: FlowContext) => FlowSink;
  /** Names the flow: what a sink knows of it is of this source, these operators and this sink. */
  readonly flow: string;
  readonly toStdout: boolean;
}

/** Reads what a flow stage says of its source and sink, or tells all that is wrong with it. */
export function readFlowEnds(stage: FlowStage): { readonly ends: FlowEnds } | { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const from = readEnd("sources", stage.source, FLOW_SOURCES, problems);
  const to = readEnd("sinks", stage.sink, FLOW_SINKS, problems);
  const { options } = stage.source;
  if (stage.source.type === "copy-file" && from !== undefined && options["columns"] === undefined && stage.source.database === undefined && stage.sink.database === undefined) {
    problems.push({ ...stage.source.place, code: "MISSING", message: `[sources.${stage.source.name}] lacks "columns"`, expected: 'columns with their types, such as ["id bigint", "email text"], or a "database" that has the table' });
  }
  if (from === undefined || to === undefined || problems.length > 0) return { problems };
  const flow = flowName(stage);
  return {
    ends: {
      flow,
      toStdout: stage.sink.options["path"] === "-",
      openSource: (context) => from.type.open(stage.source, from.options, context, stage.sink),
      openSink: (context) => to.type.open(stage.sink, to.options, context, flow),
    },
  };
}

function readEnd<Type extends { readonly options: z.ZodType; readonly database: "needed" | "possible" | "none" }>(section: "sources" | "sinks", entry: FlowEnd, types: Readonly<Record<string, Type>>, problems: Problem[]): { readonly type: Type; readonly options: unknown } | undefined {
  const names = Object.keys(types);
  if (!names.includes(entry.type)) {
    const suggestion = didYouMean(entry.type, names);
    problems.push({ ...(entry.places["type"] ?? entry.place), code: "FLOW_TYPE_UNKNOWN", message: `there is no ${section === "sources" ? "source" : "sink"} of type ${quoted(entry.type)}`, expected: `one of ${names.join(", ")}`, ...(suggestion === undefined ? {} : { suggestion }) });
    return undefined;
  }
  const type = types[entry.type]!;
  if (type.database === "needed" && entry.database === undefined && entry.places["database"] === undefined) problems.push({ ...entry.place, code: "MISSING", message: `[${section}.${entry.name}] lacks "database"`, expected: "a name of [[databases]]" });
  if (type.database === "none" && entry.database !== undefined) problems.push({ ...(entry.keyPlaces["database"] ?? entry.place), code: "CONFLICT", message: `"database" has no meaning for ${quoted(entry.type)}`, expected: "none" });
  const checked = checkedEntryOptions({ section, code: "FLOW_OPTIONS" }, entry, type.options);
  if ("options" in checked) return { type, options: checked.options };
  problems.push(...checked.problems);
  return undefined;
}

function flowName({ source: { name: from, type, database, options }, operators, sink: to }: FlowStage): string {
  const what = [type, database?.name, options, operators.map((operator) => [operator.type, operator.tables, operator.options]), to.type];
  return `${from} ${to.name} ${createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 12)}`;
}
