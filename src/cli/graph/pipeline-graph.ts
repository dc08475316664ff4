import { isSecretKey } from "../../config/configuration-error.js";
import type { Database, FlowEnd, FlowPipeline, OperatorEntry, Pipeline, SchemaPhase, ServerAddress, Stage } from "../../config/types.js";
import { stageName } from "../../pipelines/stage-name.js";
import { counted, formatCount, listed } from "../../words.js";
import { stageTitle } from "../view/stage-title.js";

/** A pipeline as a picture shows it. */
export interface PipelineGraph {
  readonly title: string;
  /** In the order in which they run. */
  readonly stages: readonly GraphStage[];
}

export interface GraphStage {
  readonly name: string;
  readonly summary: string;
  /** What rows or changes pass; undefined where the stage moves none. */
  readonly flow?: GraphFlow;
}

export interface GraphFlow {
  readonly sources: readonly GraphPart[];
  readonly operators: readonly GraphPart[];
  /** Each gets its part of every batch. */
  readonly sinks: readonly GraphPart[];
}

export interface GraphPart {
  readonly name: string;
  readonly summary: string;
  /** The pipeline file's own operator. */
  readonly own?: boolean;
}

/** What a pipeline does when it is run; asks nobody. */
export function pipelineGraph(pipeline: Pipeline | FlowPipeline): PipelineGraph {
  if (pipeline.from === undefined) return { title: counted(pipeline.stages.length, "stage"), stages: pipeline.stages.map((stage) => stageOf(stage, undefined)) };
  const { from, to, publication, cutover } = pipeline;
  const stages = pipeline.stages.map((stage) => stageOf(stage, pipeline));
  const back = pipeline.stages.some((stage) => stage.type === "cutover") && cutover.reverse ? [wayBack(pipeline)] : [];
  return { title: `${sideOf(from)} to ${sideOf(to)}, publication ${publication}`, stages: [...stages, ...back] };
}

const SCHEMA: Readonly<Record<SchemaPhase, string>> = {
  pre: "tables and primary keys",
  post: "indexes, foreign keys, and all else that is built over rows",
  cutover: "sequences and sharding keys",
  "post-cutover": "what the way back needs",
};

function stageOf(stage: Stage, pipeline: Pipeline | undefined): GraphStage {
  const name = stage.type === "flow" ? "flow" : stageTitle(stageName(stage));
  switch (stage.type) {
    case "schema_sync":
      return { name, summary: SCHEMA[stage.phase] };
    case "copy":
      return { name, summary: `every row that is there${through(pipeline!.operators)}; ${counted(pipeline!.general.reshardingParallelCopies, "table")} at a time`, flow: copyFlow(pipeline!) };
    case "replicate":
      return { name, summary: `every change${through(pipeline!.operators)}; ${stage.until === "stopped" ? "until it is stopped" : "until the shards have caught up"}`, flow: streamFlow(pipeline!) };
    case "verify":
      return { name, summary: pipeline!.operators.length === 0 ? "compares the rows of both sides" : `compares the shards' rows with the source's${through(pipeline!.operators)}` };
    case "cutover":
      return { name, summary: `leads the applications from ${pipeline!.from.name} to ${pipeline!.to.name} (${pipeline!.cutover.traffic.kind})` };
    case "command":
      return { name, summary: `sh -c ${JSON.stringify(stage.run)}, at most ${formatCount(stage.timeout)} ms` };
    case "flow":
      return {
        name,
        summary: `${stage.source.name} to ${stage.sink.name}${through(stage.operators)}`,
        flow: { sources: [endOf(stage.source)], operators: stage.operators.map(ownOperator), sinks: sinksOf(stage.sink) },
      };
  }
}

function copyFlow({ from, to, operators, general }: Pipeline): GraphFlow {
  const binary = general.reshardingCopyFormat === "binary";
  return {
    sources: from.shards.map(({ number, primary, replicas }) => {
      const others = replicas.length === 0 ? "" : `, and ${counted(replicas.length, "standby", "standbys")}`;
      return { name: `${from.name} ${number}`, summary: `COPY ${general.reshardingCopyFormat} of ${placeOf(primary)}${others}` };
    }),
    operators: [
      { name: "decode", summary: "finds the rows in the bytes of COPY" },
      ...operators.map(ownOperator),
      ...(binary && general.integerPrimaryKeys === "bigint" ? [{ name: "widen", summary: "integer keys become bigint" }] : []),
      { name: "shard", summary: "to which shard each row goes" },
      { name: "partition", summary: "for each shard its part of the batch" },
    ],
    sinks: to.shards.map(({ number, primary }) => ({ name: `${to.name} ${number}`, summary: `COPY into ${placeOf(primary)}` })),
  };
}

function streamFlow({ from, to, operators, publication }: Pipeline): GraphFlow {
  return {
    sources: from.shards.map(({ number, primary }) => ({ name: `${from.name} ${number}`, summary: `slot of ${publication} on ${placeOf(primary)}` })),
    operators: [
      { name: "schema gate", summary: "notices tables that are changed on the source" },
      ...(operators.length === 0 ? [] : [{ name: "complete", summary: "looks up what an UPDATE did not send" }]),
      ...operators.map(ownOperator),
      { name: "shard", summary: "to which shard each change goes" },
    ],
    sinks: to.shards.map(({ number, primary }) => ({ name: `${to.name} ${number}`, summary: `skip applied, upsert into ${placeOf(primary)}` })),
  };
}

function wayBack({ from, to }: Pipeline): GraphStage {
  return {
    name: "way back",
    summary: `every change of ${to.name} to ${from.name}, until it is stopped`,
    flow: {
      sources: to.shards.map(({ number, primary }) => ({ name: `${to.name} ${number}`, summary: `slot on ${placeOf(primary)}` })),
      operators: [{ name: "schema gate", summary: "notices tables that are changed on a shard" }, { name: "shard", summary: "to which shard each change goes" }],
      sinks: from.shards.map(({ number, primary }) => ({ name: `${from.name} ${number}`, summary: `skip applied, upsert into ${placeOf(primary)}` })),
    },
  };
}

function ownOperator({ name, type, tables }: OperatorEntry): GraphPart {
  return { name, summary: `${type}, for ${tables === undefined ? "all tables" : listed(tables)}`, own: true };
}

function endOf(end: FlowEnd): GraphPart {
  return { name: end.name, summary: `${end.type}${end.database === undefined ? "" : ` of ${end.database.name}`}${optionsOf(end)}` };
}

function sinksOf(sink: FlowEnd): readonly GraphPart[] {
  const shards = sink.database?.shards ?? [];
  return shards.length < 2 ? [endOf(sink)] : shards.map(({ number, primary }) => ({ name: `${sink.name} ${number}`, summary: `${sink.type} at ${placeOf(primary)}` }));
}

/** What is short and did not come from the environment. */
function optionsOf({ options, fromEnvironment }: FlowEnd): string {
  const shown = Object.entries(options).flatMap(([key, value]) => (!fromEnvironment.includes(key) && !isSecretKey(key) && ["string", "number", "boolean"].includes(typeof value) ? `${key} ${String(value)}` : []));
  return shown.length === 0 ? "" : `: ${shown.join(", ")}`;
}

function through(operators: readonly OperatorEntry[]): string {
  return operators.length === 0 ? "" : `, through ${listed(operators.map(({ name }) => name))}`;
}

function sideOf({ name, shards }: Database): string {
  return `${name} (${counted(shards.length, "shard")})`;
}

function placeOf({ host, port, database }: ServerAddress): string {
  return `${host}:${port}/${database}`;
}
