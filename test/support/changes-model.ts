export { applyStep, complete, type IsHere, keyOfRow, MemoryShard as ShardModel, shown, valueAt } from "../../src/testing/memory-shard.js";
