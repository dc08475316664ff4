import { once } from "node:events";
import { connect } from "node:net";
import type pg from "pg";
import { cancelRequest } from "../../src/wire/frontend-messages.js";
import { moment } from "./moment.js";

/** Sends the bytes and gives all that comes back until the other side closes. */
export async function talk(port: number, ...pieces: readonly Buffer[]): Promise<Buffer> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => undefined);
  for (const piece of pieces) socket.write(piece);
  await once(socket, "close");
  return Buffer.concat(chunks);
}

/** What a CancelRequest for a client has to say. */
export function keyOf(client: pg.Client): { processId: number; secretKey: Buffer } {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const key = Buffer.alloc(4);
  key.writeInt32BE(secretKey);
  return { processId: processID, secretKey: key };
}

/** Asks a gateway to cancel what the client runs; resolves when it has heard it. */
export async function requestCancel(port: number, { processId, secretKey }: { processId: number; secretKey: Buffer }): Promise<void> {
  await talk(port, cancelRequest(processId, secretKey));
}

/** Until the query gives a row. */
export async function untilRow(client: pg.Client, text: string, values: readonly unknown[] = []): Promise<void> {
  while ((await client.query(text, [...values])).rowCount === 0) await moment();
}

/** Until a state of this process is reached. */
export async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await moment();
}
