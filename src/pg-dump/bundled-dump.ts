import { MessageChannel, type Worker } from "node:worker_threads";
import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { connect, endQuietly } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import type { DumpOrder, WorkerMessage } from "./bundled-dump-worker.js";
import { dumpArguments } from "./dump-arguments.js";
import { withDumpWorker } from "./dump-workers.js";
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
    return await withDumpWorker((worker) => dumpOver(client, server, worker, parameters));
  } finally {
    await endQuietly(client);
  }
}

async function dumpOver(client: pg.Client, server: ServerAddress, worker: Worker, parameters: DumpOrder["parameters"]): Promise<string> {
  const wakeUp = new Int32Array(new SharedArrayBuffer(4));
  const { port1: replies, port2: workerReplies } = new MessageChannel();

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
      const order: DumpOrder = { wakeUp, replies: workerReplies, parameters, arguments: dumpArguments };
      worker.postMessage(order, [workerReplies]);
    });
  } finally {
    replies.close();
  }
}

/** What libpq wants to have been told at login (ParameterStatus). */
async function sessionParameters(client: pg.Client): Promise<DumpOrder["parameters"]> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    // Not from pg_settings, which does not show is_superuser; pg_dump leaves out subscriptions without it.
    "SELECT name, current_setting(name) AS setting FROM unnest(ARRAY['server_version', 'server_encoding', 'client_encoding', 'standard_conforming_strings', 'integer_datetimes', 'is_superuser']) AS name",
  );
  return rows.map((row) => [row.name, row.setting] as const);
}
