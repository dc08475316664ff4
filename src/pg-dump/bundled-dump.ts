import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MessageChannel, Worker, type WorkerOptions } from "node:worker_threads";
import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { connect, endQuietly } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import type { DumpWorkerData, WorkerMessage } from "./bundled-dump-worker.js";
import { dumpArguments } from "./dump-arguments.js";
import { dumpFailed } from "./native-dump.js";
import { ReplyCollector } from "./reply-collector.js";

const PROGRAM = "The bundled pg_dump";

/**
 * Runs the pg_dump that comes as WASM. It reads and writes its connection synchronously, so it runs in a worker thread
 * that sleeps while this thread passes its messages on over a connection of node-postgres, which has done the login.
 *
 * ```
 * worker: pg_dump ──request──▶ main thread ──▶ server
 *         Atomics.wait ◀──reply up to ReadyForQuery──┘
 * ```
 */
export async function bundledDump(server: ServerAddress): Promise<string> {
  const client = await connect(server, { applicationName: "pg-reshard pg_dump", readOnly: true });
  try {
    const parameters = await sessionParameters(client);
    return await dumpOver(client, server, parameters);
  } finally {
    await endQuietly(client);
  }
}

async function dumpOver(client: pg.Client, server: ServerAddress, parameters: DumpWorkerData["parameters"]): Promise<string> {
  const wakeUp = new Int32Array(new SharedArrayBuffer(4));
  const { port1: replies, port2: workerReplies } = new MessageChannel();
  const workerData: DumpWorkerData = { wakeUp, replies: workerReplies, parameters, arguments: dumpArguments };
  const worker = startWorker({ workerData, transferList: [workerReplies] });

  const stream = client.connection.stream;
  // node-postgres has done the login; from here on the bytes are pg_dump's.
  stream.removeAllListeners("data");
  const collector = new ReplyCollector();
  const answer = (reply: Buffer): void => {
    replies.postMessage(reply);
    Atomics.store(wakeUp, 0, 1);
    Atomics.notify(wakeUp, 0);
  };
  stream.on("data", (chunk: Buffer) => {
    const reply = collector.push(chunk);
    if (reply !== undefined) answer(reply);
  });

  try {
    return await new Promise<string>((resolve, reject) => {
      stream.once("close", () => { reject(new ReshardError("CONNECTION_LOST", `${PROGRAM} lost its connection.`, { kind: "retry", remedy: "Run the same command again." })); });
      worker.once("error", (cause) => { reject(dumpFailed(PROGRAM, server, reasonOf(cause), cause)); });
      worker.once("exit", (code) => { reject(dumpFailed(PROGRAM, server, `it ended with exit code ${code}.`)); });
      worker.on("message", (message: WorkerMessage) => {
        if (message.type === "request") stream.write(message.bytes);
        else if (message.type === "failed") reject(dumpFailed(PROGRAM, server, message.message));
        else resolve(message.sql);
      });
    });
  } finally {
    await worker.terminate();
    replies.close();
  }
}

/** What libpq wants to have been told at login (ParameterStatus). */
async function sessionParameters(client: pg.Client): Promise<DumpWorkerData["parameters"]> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    // Not from pg_settings, which does not show is_superuser; pg_dump leaves out subscriptions without it.
    "SELECT name, current_setting(name) AS setting FROM unnest(ARRAY['server_version', 'server_encoding', 'client_encoding', 'standard_conforming_strings', 'integer_datetimes', 'is_superuser']) AS name",
  );
  return rows.map((row) => [row.name, row.setting] as const);
}

/**
 * The worker as built; or, run from the sources, what was built of them since they changed, or else its TypeScript
 * through tsx, which the tests and benchmarks have.
 */
function startWorker(options: WorkerOptions): Worker {
  const built = new URL("./bundled-dump-worker.js", import.meta.url);
  if (existsSync(fileURLToPath(built))) return new Worker(built, options);
  const beside = new URL("../../dist/pg-dump/bundled-dump-worker.js", import.meta.url);
  if (isNewerThanSources(fileURLToPath(beside))) return new Worker(beside, options);
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm/api").replace(/cjs$/, "mjs")).href;
  const source = new URL("./bundled-dump-worker.ts", import.meta.url).href;
  // Node 20 does not apply --import to the file of a worker itself.
  const program = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return new Worker(program, { ...options, eval: true });
}

/** Whether the file exists, and nothing in this folder was changed after it. */
function isNewerThanSources(file: string): boolean {
  if (!existsSync(file)) return false;
  const { mtimeMs } = statSync(file);
  return readdirSync(import.meta.dirname).every((name) => statSync(path.join(import.meta.dirname, name)).mtimeMs <= mtimeMs);
}
