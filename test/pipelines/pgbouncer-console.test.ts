import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { withConsole } from "../../src/pipelines/pgbouncer-console.js";

/** AuthenticationOk, and ReadyForQuery outside of a transaction. */
const LOGGED_IN = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

test("a console that does not answer is not waited for", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.once("data", () => socket.write(LOGGED_IN));
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const settings = { host: "127.0.0.1", port: (server.address() as AddressInfo).port, user: "pgbouncer", password: undefined };
  await expect(withConsole(settings, (client) => client.query("RELOAD"), 20)).rejects.toMatchObject({ code: "PGBOUNCER_SILENT" });
  for (const socket of sockets) socket.destroy();
  server.close();
});
