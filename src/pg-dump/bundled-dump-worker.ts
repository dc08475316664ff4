import { type MessagePort, parentPort, receiveMessageOnPort } from "node:worker_threads";
import { pgDump } from "@electric-sql/pglite-tools/pg_dump";
import { awaitReply } from "./await-reply.js";
import { FrontendMessages } from "./frontend-messages.js";

/** What the thread is asked to dump. */
export interface DumpOrder {
  /** Set to 1 when a reply lies in `replies`. */
  readonly wakeUp: Int32Array;
  readonly replies: MessagePort;
  /** ParameterStatus messages of the login. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly arguments: readonly string[];
}

export type WorkerMessage =
  | { readonly type: "request"; readonly bytes: Uint8Array }
  | { readonly type: "done"; readonly sql: string }
  | { readonly type: "failed"; readonly message: string };

parentPort?.on("message", (order: DumpOrder) => {
  void dump(order).then(tell);
});

function tell(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

async function dump({ wakeUp, replies, parameters, arguments: dumpArguments }: DumpOrder): Promise<WorkerMessage> {
  const messages = new FrontendMessages(parameters);

  /** Sends a request to the server and sleeps until its reply is there. */
  function roundTrip(bytes: Uint8Array): Uint8Array {
    Atomics.store(wakeUp, 0, 0);
    tell({ type: "request", bytes });
    awaitReply(wakeUp);
    return (receiveMessageOnPort(replies) as { message: Uint8Array }).message;
  }

  /** What `pgDump` uses of a PGlite object. */
  const connection = {
    query: () => Promise.resolve({ rows: [{ search_path: "pg_catalog" }] }),
    exec: () => Promise.resolve([]),
    execProtocolRawStream(bytes: Uint8Array, { onRawData }: { onRawData: (bytes: Uint8Array) => void }): void {
      for (const step of messages.push(bytes)) {
        onRawData(step.type === "answer" ? step.bytes : roundTrip(step.bytes));
      }
    },
  };

  try {
    const pg = connection as unknown as Parameters<typeof pgDump>[0]["pg"];
    const file = await pgDump({ pg, args: [...dumpArguments] });
    return { type: "done", sql: await file.text() };
  } catch (error) {
    return { type: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}
