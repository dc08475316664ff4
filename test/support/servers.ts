import { systemBinaries } from "../../src/embedded/binaries.js";
import type { ClusterOptions } from "../../src/embedded/cluster.js";

export interface TestServer {
  readonly version: number;
  readonly options: ClusterOptions;
}

export const NEWEST_VERSION = 18;
/** The oldest version that is supported. */
export const OLDEST_VERSION = 15;

/** PostgreSQL 18, and the oldest supported version where this machine has one. */
export const servers: readonly TestServer[] = [
  { version: NEWEST_VERSION, options: {} },
  ...[systemBinaries(OLDEST_VERSION)].flatMap((binaries) => (binaries === undefined ? [] : [{ version: OLDEST_VERSION, options: { binaries } }])),
];

/**
 * Whether what should not differ between versions is tested on this one too. It is on every one with `ALL_SERVERS=1` in
 * the environment; else vitest shows those tests as skipped.
 */
export function isTestedOn(version: number): boolean {
  return version === NEWEST_VERSION || process.env["ALL_SERVERS"] === "1";
}
