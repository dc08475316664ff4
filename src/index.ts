/*
 * What an author of operators needs: the flow's types, the batches, the stock operators, and `run`.
 */
/// <reference types="node" preserve="true" />
export { ReshardError, type ErrorKind, type ErrorPlace } from "./errors.js";
export { run, type Batch, type Operator, type Receipt, type Sink, type Source } from "./flow.js";
export type { CopyBatch, PartitionedRowBatch, RowBatch, RowPart, ShardedRowBatch } from "./row-batch.js";
export { Action, type ChangeBatch, type ShardChanges, type ShardedChangeBatch, type SourceTransaction } from "./change-batch.js";
export type { ApplyStep, RowSet, StepBatch } from "./apply-step.js";
export type { TableBatch, TableShape } from "./table-batch.js";
export { NULL_VALUE, ABSENT_VALUE, type TableColumn, type ValueColumn } from "./value-column.js";
export type { Value, ValueCodec } from "./postgres/value-codec.js";
export { defineOperator, keyColumns, type OperatorContext, type OperatorDefinition, type OperatorSharding, type OptionsSchema, type TableOperator } from "./operators/table-operator.js";
export { perRow, type PerRowOptions } from "./operators/per-row.js";
export type { Row, RowValue } from "./operators/lazy-row.js";
export { RawValue } from "./operators/raw-value.js";
export { type NamedOperator, operatorChain, type OperatorChain } from "./operators/operator-chain.js";
export { operateChanges, type OperateChangesOptions } from "./operators/operate-changes.js";
export { operateRows } from "./operators/operate-rows.js";
export { stockOperators } from "./operators/stock/stock-operators.js";
export { decodeTuples } from "./operators/decode-tuples.js";
export { partitionRows, rowPart } from "./operators/partition-rows.js";
export { rewriteUpserts } from "./operators/rewrite-upserts.js";
export { changesOfShard, shardChanges } from "./operators/shard-changes.js";
export { shardRows } from "./operators/shard-rows.js";
export { skipApplied } from "./operators/skip-applied.js";
export { widenIntegers } from "./operators/widen-integers.js";
export { copyTable } from "./sources/copy-table.js";
export { changeStream } from "./sources/change-stream.js";
export { copyIntoShard } from "./sinks/copy-into-shard.js";
export { applyToShard } from "./sinks/apply-to-shard.js";
export { toShards } from "./sinks/to-shards.js";
export { keyRouter } from "./sharding/key-router.js";
export { routeOfTable } from "./sharding/route-of-table.js";
export { EVERY_SHARD, NULL_KEY, UNCOVERED_KEY, type ShardOfKey, type TableRoute } from "./sharding/table-route.js";
export { formatLsn, parseLsn, type Lsn } from "./postgres/lsn.js";
export type { ValueFormat } from "./postgres/value-format.js";
export { loadPipelineFile, readPipelineFile } from "./config/load.js";
export type { FlowPipeline, Pipeline } from "./config/types.js";
export { loadOperators, type LoadedOperator } from "./pipelines/load-operators.js";
export { runPipeline, type RunOptions, type RunResult } from "./pipelines/run-pipeline.js";
export type { PipelineEvent, Report } from "./pipelines/events.js";
export type { TableVerdict } from "./pipelines/table-verdict.js";
