import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One more than the cores it is meant for: tests wait for servers, and servers for disks.
    maxWorkers: 3,
  },
});
