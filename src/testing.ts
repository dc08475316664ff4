/*
 * To test operators and routing without a server, with fast-check: `import … from "pg-reshard/testing"`.
 */
/// <reference types="node" preserve="true" />
export { arbitraryHistory, type HistoryOptions } from "./testing/arbitrary-history.js";
export { arbitraryKeys, arbitraryRows, arbitraryValue } from "./testing/arbitrary-values.js";
export { changeBatches } from "./testing/change-batches.js";
export { finalState, type History, rowsOf, stateAt } from "./testing/history.js";
export { MemoryShard } from "./testing/memory-shard.js";
export { equalKeysMeet } from "./testing/equal-keys-meet.js";
export { type CopyOptions, playCopy, type PlayedCopy } from "./testing/play-copy.js";
export type { Move } from "./testing/move.js";
export { expectedShards, type Play, playHistory, type Played } from "./testing/play-history.js";
export { commutesWithSplit, copyAgreesWithStream, everyRowToOneShard, keyOrderKept, noPositionLost, operatorProperties, routingStable } from "./testing/properties.js";
export { rowBatches, rowsOfBatch } from "./testing/row-batches.js";
export { type MemoryFlow, type MemoryRun, memorySink, memorySource, runInMemory } from "./testing/run-in-memory.js";
export { type ShownChange, shownChanges } from "./testing/shown-changes.js";
export { chainOf, type TestOperator } from "./testing/test-operators.js";
export { type State, type TestRow, valuesOf } from "./testing/test-rows.js";
export type { Property, Subject } from "./testing/subject.js";
export { shapeOf, testTable, type TestColumn, type TestTable } from "./testing/test-table.js";
