import type { Measured } from "./result.js";
import type { BenchOptions } from "./options.js";
export function benchCopy(_options: BenchOptions): Promise<Measured[]> { return Promise.resolve([]); }
