import { once } from "node:events";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import type pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { parseErrorResponse } from "../../src/wire/backend-messages.js";
import { saslInitialResponse, sslRequest, startupMessage } from "../../src/wire/frontend-messages.js";
import { Backend, backendLimits } from "../../src/wire/message.js";
import { MessageStream } from "../../src/wire/message-stream.js";
import type { WireError } from "../../src/wire/wire-error.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, databaseOn, secureContext, startGateway, type TestGateway, USER } from "../support/gateway.js";
import { until } from "../support/raw-client.js";

let gateway: TestGateway;
/** Serves on, whatever others send. */
let witness: pg.Client;

beforeAll(async () => {
  const cluster = await startTestCluster();
  gateway = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], {
    accept: { tls: secureContext(), method: "trust", passwordsOf: (user) => (user === USER ? [] : undefined) },
  });
  witness = await gateway.connect();
});

const startup = startupMessage([["user", USER], ["database", "shop"]]);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((array) => Buffer.from(array));
/** With a type that there is and a length that fits, more is looked at than the length. */
const framed = fc.tuple(fc.constantFrom("B", "C", "D", "E", "F", "H", "P", "Q", "S", "X", "c", "d", "f", "p"), bytes).map(([type, body]) => {
  const message = Buffer.concat([Buffer.from(type), Buffer.alloc(4), body]);
  message.writeInt32BE(body.length + 4, 1);
  return message;
});
const packet = bytes.map((body) => {
  const whole = Buffer.concat([Buffer.alloc(4), body]);
  whole.writeInt32BE(whole.length);
  return whole;
});

/** Sends it, closes its side, and gives the error that it was told in the end, if it was. */
async function send(to: TestGateway, ...pieces: readonly Buffer[]): Promise<WireError | undefined> {
  return await tell(to, pieces, true);
}

/** The same; `close` false: the other side has to close. */
async function tell(to: TestGateway, pieces: readonly Buffer[], close: boolean): Promise<WireError | undefined> {
  const socket = connect({ port: to.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  const stream = new MessageStream(socket, backendLimits);
  for (const piece of pieces) socket.write(piece);
  if (close) socket.end();
  let error: WireError | undefined;
  for (;;) {
    // After a declined SSLRequest, or with a broken login, what comes is no message.
    const message = await stream.read().catch(() => undefined);
    if (message === undefined) break;
    if (message.type === Backend.errorResponse) error = parseErrorResponse(message);
  }
  socket.destroy();
  return error;
}

async function nobodyElseWasHurt(): Promise<void> {
  expect((await witness.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  await until(() => gateway.gateway.clientRows().length === 1);
}

describe("whatever is sent, it ends that connection alone", () => {
  test("instead of a start-up packet", async () => {
    await fc.assert(fc.asyncProperty(fc.oneof(bytes, packet), async (sent) => {
      const error = await send(gateway, sent);
      // A TLS handshake that is none is closed without a word.
      if (error !== undefined) expect(error).toMatchObject({ severity: "FATAL", sqlState: expect.stringMatching(/^(08P01|28000|08006)$/) as unknown });
    }), { numRuns: 200 });
    expect(await tell(gateway, [Buffer.from("GET / HTTP/1.1\r\n\r\n")], false)).toMatchObject({ sqlState: "08P01", message: "invalid length of startup packet" });
    await nobodyElseWasHurt();
  });

  test("after a request for TLS", async () => {
    await fc.assert(fc.asyncProperty(bytes, async (sent) => {
      await send(gateway, sslRequest(), sent);
      const socket = connect(gateway.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(sslRequest());
      await once(socket, "data");
      socket.end(sent);
      socket.resume();
      await once(socket, "close");
    }), { numRuns: 50 });
    await nobodyElseWasHurt();
  });

  test("instead of an answer to the question for a password", async () => {
    const asking = await startGateway([databaseOn("shop", { host: "127.0.0.1", port: 1, database: "none", user: "none", password: undefined, sslmode: "disable" })]);
    await fc.assert(fc.asyncProperty(fc.oneof(bytes, framed), fc.boolean(), async (sent, begun) => {
      // With as much behind it as any message of a login may have: whatever its length says, it is all there.
      const error = await send(asking, startup, ...(begun ? [saslInitialResponse("SCRAM-SHA-256", "n,,n=,r=clientnonce")] : []), sent, Buffer.alloc(70_000, 0xff));
      expect(error).toMatchObject({ severity: "FATAL", sqlState: expect.stringMatching(/^(08P01|28P01)$/) as unknown });
    }), { numRuns: 200 });
  });

  test("instead of statements", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.oneof(bytes, framed), { minLength: 1, maxLength: 4 }), async (sent) => {
      const error = await send(gateway, startup, ...sent);
      // Ours, or the server's own about a body that it does not like; a Terminate, or an unfinished message, have none.
      if (error !== undefined) expect(error.sqlState).toMatch(/^(08P01|08006|22021|42601|26000|34000|0A000|22P03|57014|42883|22000|42P\d\d|XX000|25P\d\d)$/);
    }), { numRuns: 200 });
    expect(await tell(gateway, [startup, Buffer.from("?\0\0\0\x04")], false)).toMatchObject({ sqlState: "08P01", severity: "FATAL" });
    expect(await tell(gateway, [startup, Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff])], false)).toMatchObject({ sqlState: "08P01", message: "invalid message length" });
    await nobodyElseWasHurt();
  });
});

test("what is promised and never sent takes no memory", async () => {
  const sockets: Socket[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (const sent of Array.from({ length: 20 }, () => [Buffer.from([0, 0, 0x27, 0x10]), Buffer.concat([startup, Buffer.from([0x51, 0x3f, 0xff, 0xff, 0xf0])])]).flat()) {
    const socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(sent);
    sockets.push(socket);
  }
  await until(() => gateway.gateway.clientRows().filter(({ state }) => state === "active").length === 20);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  for (const socket of sockets) socket.destroy();
  await nobodyElseWasHurt();
});
