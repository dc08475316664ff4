import { setFlagsFromString } from "node:v8";

/**
 * How much the heap may grow between two full collections, in percent of what is alive. By default V8 lets a small heap
 * grow by little, and counts the batches' buffers, which lie outside it, as if they were to stay: it then marks the whole
 * heap for every few batches, a third of the CPU that applying changes takes. Read at each collection
 * (MemoryController::GrowingFactor, heap/heap-controller.cc).
 */
const HEAP_GROWING_PERCENT = 200;

/** For a process that moves rows, at its start. */
export function collectGarbageLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
