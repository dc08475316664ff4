import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { LongFilesFirst } from "./test/support/long-files-first.js";

export default defineConfig({
  // What operators in TypeScript, and tests of them, import is what runs them.
  resolve: {
    alias: [
      { find: /^pg-reshard$/u, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
      { find: /^pg-reshard\/testing$/u, replacement: fileURLToPath(new URL("src/testing.ts", import.meta.url)) },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    setupFiles: ["test/support/run-ends.ts", "test/support/keep-dump-workers.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A process goes on with the next file: loading the same modules for each file cost a minute. Files leave nothing behind.
    isolate: false,
    sequence: { sequencer: LongFilesFirst },
    // Two cores: more files at once only makes servers slower.
    maxWorkers: 2,
    // pg_dump and the parser are short runs of large WebAssembly: optimizing it takes longer than running it.
    execArgv: ["--liftoff-only"],
  },
});
