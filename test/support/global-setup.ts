import { accessSync, constants, rmSync, statfsSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import type { TestProject } from "vitest/node";
import { systemBinaries } from "../../src/embedded/binaries.js";
import { initializeCluster } from "../../src/embedded/cluster.js";
import { OLDEST_VERSION } from "./servers.js";

declare module "vitest" {
  interface ProvidedContext {
    /** A data directory that `startTestCluster` copies: initdb runs once a test run. */
    clusterTemplate: string;
    /** The same of the oldest supported version, where this machine has it. */
    oldestClusterTemplate: string | undefined;
    /** Where data directories are made. */
    clusterFolder: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const folder = clusterFolder();
  const oldest = systemBinaries(OLDEST_VERSION);
  // A login that proves the password proves nothing more with 4,096 rounds of hashing.
  const [newest, older] = await Promise.all([initializeCluster({ folder, settings: { scram_iterations: 1 } }), oldest === undefined ? undefined : initializeCluster({ binaries: oldest, folder })]);
  project.provide("clusterTemplate", newest);
  project.provide("oldestClusterTemplate", older);
  project.provide("clusterFolder", folder);
  return () => {
    for (const template of [newest, older]) if (template !== undefined) rmSync(template, { recursive: true, force: true });
  };
}

const MEMORY_FOLDER = "/dev/shm";
const MEMORY_WANTED = 6 * 2 ** 30;

/** In memory where there is plenty: tests make hundreds of databases, of a thousand files each. */
function clusterFolder(): string {
  try {
    accessSync(MEMORY_FOLDER, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    if (Math.min(bavail * bsize, freemem()) >= MEMORY_WANTED) return MEMORY_FOLDER;
  } catch {
    // There is none.
  }
  return tmpdir();
}
