import { afterAll } from "vitest";
import { stopRunningClusters } from "./running-clusters.js";

// A setup file of vitest: this is called last after each test file. An `afterAll` of a helper that a `beforeAll` calls is
// not called at all, and the process goes on with other files.
afterAll(stopRunningClusters);
