import { BodyReader } from "../../../src/wire/body-reader.js";
import { parseCommandComplete, parseDataRow, parseErrorFields, parseParameterDescription, parseReadyForQuery, parseRowDescription } from "../../../src/wire/backend-messages.js";
import {
  bindMessage, closeMessage, copyDataMessage, copyDoneMessage, copyFailMessage, describeMessage, executeMessage, flushMessage, parseMessage, queryMessage, syncMessage,
} from "../../../src/wire/frontend-messages.js";
import { Backend, type Message } from "../../../src/wire/message.js";
import type { RawSession } from "./raw-session.js";

/* Messages as short calls, and answers as short texts. */

export const query = queryMessage;
export const sync = syncMessage;
export const flush = flushMessage;
export const parse = (text: string, name = "", parameterTypes: number[] = []): Buffer => parseMessage({ name, text, parameterTypes });
export const execute = (portal = "", maxRows = 0): Buffer => executeMessage({ portal, maxRows });
export const describeStatement = (name = ""): Buffer => describeMessage({ kind: "statement", name });
export const describePortal = (name = ""): Buffer => describeMessage({ kind: "portal", name });
export const closeStatement = (name = ""): Buffer => closeMessage({ kind: "statement", name });
export const closePortal = (name = ""): Buffer => closeMessage({ kind: "portal", name });
export const data = (text: string): Buffer => copyDataMessage(Buffer.from(text));
export const done = copyDoneMessage;
export const fail = copyFailMessage;

/** Text parameters; buffers are binary. */
export function bind(values: readonly (string | Buffer | null)[] = [], { statement = "", portal = "", results = [] }: { statement?: string; portal?: string; results?: number[] } = {}): Buffer {
  return bindMessage({
    portal, statement, resultFormats: results,
    formats: values.map((value) => (Buffer.isBuffer(value) ? 1 : 0)),
    values: values.map((value) => (typeof value === "string" ? Buffer.from(value) : value)),
  });
}

/** The whole of a statement. */
export const run = (text: string, values: readonly (string | Buffer | null)[] = [], results: number[] = []): Buffer => Buffer.concat([parse(text), bind(values, { results }), describePortal(), execute()]);

export function int8(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

/** What a message says, without what differs between servers. */
export function said(message: Message): string {
  switch (message.type) {
    case Backend.rowDescription:
      return `columns ${parseRowDescription(message).map(({ name, typeOid, format }) => `${name}:${typeOid}${format === 1 ? "b" : ""}`).join(" ")}`;
    case Backend.dataRow:
      return `row ${parseDataRow(message).map((value) => (value === null ? "NULL" : /^[\x20-\x7e]*$/.test(value.toString("latin1")) ? value.toString() : value.toString("hex"))).join(" ")}`;
    case Backend.commandComplete:
      return parseCommandComplete(message);
    case Backend.readyForQuery:
      return `ready ${parseReadyForQuery(message)}`;
    case Backend.errorResponse:
      return `${parseErrorFields(message).get("S") ?? ""} ${parseErrorFields(message).get("C") ?? ""}`;
    case Backend.noticeResponse:
      return `${parseErrorFields(message).get("S") ?? ""} ${parseErrorFields(message).get("M") ?? ""}`;
    case Backend.parameterDescription:
      return `parameters ${parseParameterDescription(message).join(" ")}`;
    case Backend.parameterStatus: {
      const body = BodyReader.of(message);
      return `${body.text()} is ${body.text()}`;
    }
    case Backend.copyData:
      return `copied ${message.bytes.toString("utf8", 5).trimEnd()}`;
    default:
      return Object.entries(Backend).find(([, type]) => type === message.type)?.[0] ?? String(message.type);
  }
}

/** Sends messages, and hears all up to the last ReadyForQuery. */
export async function talk(session: RawSession, ready: number, ...messages: readonly Buffer[]): Promise<string[]> {
  await session.send(...messages);
  return (await session.untilReady(ready)).map(said);
}
