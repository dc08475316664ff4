import { pathToFileURL } from "node:url";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";

test("a late notification of the reply before does not end the wait", async () => {
  const wakeUp = new Int32Array(new SharedArrayBuffer(4));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm/api").replace(/cjs$/, "mjs")).href;
  const module = new URL("../../src/pg-dump/await-reply.ts", import.meta.url).href;
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(module)}); }).then(({ awaitReply }) => {
      awaitReply(workerData);
      parentPort.postMessage(Atomics.load(workerData, 0));
    });`;
  const worker = new Worker(program, { eval: true, workerData: wakeUp });
  onTestFinished(async () => {
    await worker.terminate();
  });
  const seen = new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  // A notification counts once somebody slept.
  for (let woken = 0; woken < 3; ) {
    woken += Atomics.notify(wakeUp, 0);
    if (await Promise.race([seen.then(() => true), new Promise((resolve) => setImmediate(resolve, false))])) break;
  }
  Atomics.store(wakeUp, 0, 1);
  Atomics.notify(wakeUp, 0);
  expect(await seen).toBe(1);
});
