import { systemBinaries } from "../../src/embedded/binaries.js";
import type { ClusterOptions } from "../../src/embedded/cluster.js";

/** PostgreSQL 18, and the oldest supported version where this machine has one. */
export const servers: readonly { readonly version: number; readonly options: ClusterOptions }[] = [
  { version: 18, options: {} },
  ...[systemBinaries(15)].flatMap((binaries) => (binaries === undefined ? [] : [{ version: 15, options: { binaries } }])),
];
