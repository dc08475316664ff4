import { rmSync } from "node:fs";
import type { TestProject } from "vitest/node";
import { embeddedBinaries } from "../../src/embedded/binaries.js";
import { initializeCluster } from "../../src/embedded/cluster.js";

declare module "vitest" {
  interface ProvidedContext {
    /** A data directory that `startTestCluster` copies: initdb runs once a test run. */
    clusterTemplate: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const template = await initializeCluster(embeddedBinaries());
  project.provide("clusterTemplate", template);
  return () => {
    rmSync(template, { recursive: true, force: true });
  };
}
