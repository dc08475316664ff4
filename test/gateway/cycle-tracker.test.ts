import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { CycleTracker } from "../../src/gateway/cycle-tracker.js";
import { parseReadyForQuery } from "../../src/wire/backend-messages.js";
import {
  bindMessage, closeMessage, copyDataMessage, copyDoneMessage, copyFailMessage, executeMessage, flushMessage, parseMessage, queryMessage, syncMessage,
} from "../../src/wire/frontend-messages.js";
import { Backend } from "../../src/wire/message.js";
import { openServer } from "../../src/wire/open-server.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf } from "../support/gateway.js";

const COPY = "COPY copied FROM STDIN";
const row = copyDataMessage(Buffer.from("1\n"));

function execute(text: string): Buffer[] {
  return [
    parseMessage({ name: "", text, parameterTypes: [] }),
    bindMessage({ portal: "", statement: "", formats: [], values: [], resultFormats: [] }),
    executeMessage({ portal: "", maxRows: 0 }),
  ];
}

/** What clients send in a row, some of it in ways that only some clients have. */
const sequences: Readonly<Record<string, readonly Buffer[]>> = {
  query: [queryMessage("SELECT 1")],
  error: [queryMessage("SELECT 1/0")],
  begin: [queryMessage("BEGIN")],
  rollback: [queryMessage("ROLLBACK")],
  several: [queryMessage("SELECT 1; BEGIN; COMMIT; SELECT 2")],
  empty: [queryMessage("")],
  sync: [syncMessage],
  flush: [flushMessage],
  extended: [...execute("SELECT 1"), syncMessage],
  "query in a batch": [...execute("SELECT 1"), queryMessage("SELECT 2"), ...execute("SELECT 3"), syncMessage],
  "query in a batch that failed": [...execute("SELECT 1/0"), queryMessage("SELECT 2"), ...execute("SELECT 3"), syncMessage],
  pipelined: [...execute("SELECT 1"), syncMessage, ...execute("SELECT 1/0"), ...execute("SELECT 3"), syncMessage, syncMessage],
  flushed: [...execute("SELECT 1"), flushMessage, closeMessage({ kind: "portal", name: "" }), syncMessage],
  copy: [queryMessage(COPY), row, row, copyDoneMessage],
  "copy fails": [queryMessage(COPY), row, copyFailMessage("no")],
  "copy of what cannot be": [queryMessage(COPY), copyDataMessage(Buffer.from("x\n")), row, row, copyDoneMessage],
  "copy that is refused": [queryMessage("COPY nothing FROM STDIN"), row, copyDoneMessage],
  "copy and more in one query": [queryMessage(`SELECT 1; ${COPY}; SELECT 2`), row, copyDoneMessage],
  "two copies in one query": [queryMessage(`${COPY}; ${COPY}`), row, copyDoneMessage, row, copyDoneMessage],
  "extended copy as libpq sends it": [...execute(COPY), syncMessage, row, copyDoneMessage, syncMessage],
  "extended copy with one Sync": [...execute(COPY), row, copyDoneMessage, syncMessage],
  "extended copy fails": [...execute(COPY), syncMessage, row, copyFailMessage("no"), syncMessage],
  "extended copy of what cannot be": [...execute(COPY), syncMessage, copyDataMessage(Buffer.from("x\n")), row, copyDoneMessage, syncMessage],
  "extended copy that is refused": [...execute("COPY nothing FROM STDIN"), syncMessage, row, copyDoneMessage, syncMessage],
  "copy out": [queryMessage("COPY copied TO STDOUT")],
  "stray data": [row, copyDoneMessage],
};

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
  const client = await cluster.connect();
  await client.query("CREATE TABLE copied (id int)");
  await client.end();
});

describe("what is in flight", () => {
  test("is what the server answers, whatever is sent in a row", async () => {
    const session = await openServer(addressOf(cluster, "postgres"), { parameters: [], timeout: 0 });
    await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom(...Object.keys(sequences)), { minLength: 1, maxLength: 8 }), async (names) => {
      const tracker = new CycleTracker();
      const messages = [...names.flatMap((name) => sequences[name]!), syncMessage, queryMessage("ROLLBACK"), queryMessage("SELECT 'the last'")];
      for (const message of messages) tracker.sent(message[0]!);
      await session.stream.write(messages);
      for (let last = false; !(last && tracker.settled);) {
        const message = await session.stream.read();
        last ||= message!.type === Backend.dataRow && message!.bytes.includes("the last");
        // Nothing is missed: only the last answer settles it.
        tracker.heard(message!.type, message!.type === Backend.readyForQuery ? parseReadyForQuery(message!) : undefined);
        expect(tracker.settled).toBe(last && message!.type === Backend.readyForQuery);
      }
      expect(tracker.idle).toBe(true);
      expect(session.stream.take()).toBeUndefined();
    }), { numRuns: 300 });
    await session.end();
  });

  test("is what the server answers where the client waits for each answer before it goes on", async () => {
    const session = await openServer(addressOf(cluster, "postgres"), { parameters: [], timeout: 0 });
    const tracker = new CycleTracker();
    for (const [name, messages] of Object.entries(sequences)) {
      const copying = messages.indexOf(row);
      const first = copying < 0 || name === "stray data" ? messages : messages.slice(0, copying);
      const send = async (part: readonly Buffer[]): Promise<void> => {
        for (const message of part) tracker.sent(message[0]!);
        await session.stream.write(part);
      };
      await send(first);
      let rest: readonly Buffer[] = messages.slice(first.length);
      while (!tracker.settled) {
        const message = await session.stream.read();
        tracker.heard(message!.type, message!.type === Backend.readyForQuery ? parseReadyForQuery(message!) : undefined);
        if (message!.type === Backend.copyInResponse || (message!.type === Backend.readyForQuery && rest.length > 0)) {
          expect(tracker.waitsForClient).toBe(message!.type === Backend.copyInResponse && rest.length > 0);
          await send(rest);
          rest = [];
        }
      }
    }
    expect(tracker.idle).toBe(true);
    await session.end();
  });
});
