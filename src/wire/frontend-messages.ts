import { BodyReader } from "./body-reader.js";
import { bytePart, encodeMessage, int16Part, int32Part, listPart, textPart, valuePart } from "./encode-message.js";
import { Frontend, type Message, protocolViolation } from "./message.js";

/** 0: text, 1: binary. */
export type FormatCode = number;

/** Codes in place of a protocol version (libpq/pqcomm.h): CANCEL_REQUEST_CODE, NEGOTIATE_SSL_CODE, NEGOTIATE_GSS_CODE. */
const CANCEL_REQUEST = 80_877_102;
const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
/** Protocol 3.0. */
const PROTOCOL = 3 << 16;

/** What a connection begins with: a packet without a type byte. */
export type StartupPacket =
  | { readonly kind: "ssl" }
  | { readonly kind: "gss" }
  | { readonly kind: "cancel"; readonly processId: number; readonly secretKey: Buffer }
  /** `parameters` without user and database; `minor` of the protocol's version, `extensions` are its `_pq_.` options. */
  | { readonly kind: "startup"; readonly minor: number; readonly user: string; readonly database: string; readonly parameters: ReadonlyMap<string, string>; readonly extensions: readonly string[] };

/** Reads a start-up packet, its length included. */
export function parseStartup(packet: Buffer): StartupPacket {
  const body = new BodyReader(packet, 4);
  const code = body.uint32();
  if (code === SSL_REQUEST || code === GSS_REQUEST) {
    body.end();
    return { kind: code === SSL_REQUEST ? "ssl" : "gss" };
  }
  if (code === CANCEL_REQUEST) {
    const processId = body.int32();
    const secretKey = Buffer.from(body.rest());
    if (secretKey.length < 4 || secretKey.length > 256) throw protocolViolation("invalid length of cancel request packet");
    return { kind: "cancel", processId, secretKey };
  }
  if (code >>> 16 !== 3) throw protocolViolation(`unsupported frontend protocol ${code >>> 16}.${code & 0xffff}: server supports 3.0`);
  const parameters = new Map<string, string>();
  const extensions: string[] = [];
  for (let name = body.text(); name !== ""; name = body.text()) {
    const value = body.text();
    if (name.startsWith("_pq_.")) extensions.push(name);
    else parameters.set(name, value);
  }
  if (body.left > 0) throw protocolViolation("invalid startup packet layout: expected terminator as last byte");
  const user = parameters.get("user") ?? "";
  const database = parameters.get("database") ?? "";
  parameters.delete("user");
  parameters.delete("database");
  // As ProcessStartupPacket (tcop/backend_startup.c): a database that is not named is the user's.
  return { kind: "startup", minor: code & 0xffff, user, database: database === "" ? user : database, parameters, extensions };
}

/** `parameters` with user and database. */
export function startupMessage(parameters: Iterable<readonly [name: string, value: string]>): Buffer {
  const body = Buffer.concat([int32Part(PROTOCOL), ...[...parameters].flatMap(([name, value]) => [textPart(name), textPart(value)]), bytePart(0)]);
  return Buffer.concat([int32Part(body.length + 4), body]);
}

export function sslRequest(): Buffer {
  return Buffer.concat([int32Part(8), int32Part(SSL_REQUEST)]);
}

export function cancelRequest(processId: number, secretKey: Buffer): Buffer {
  return Buffer.concat([int32Part(12 + secretKey.length), int32Part(CANCEL_REQUEST), int32Part(processId), secretKey]);
}

export interface QueryMessage {
  readonly text: string;
}

export function parseQuery(message: Message): QueryMessage {
  const body = BodyReader.of(message);
  const text = body.text();
  body.end();
  return { text };
}

export function queryMessage(text: string): Buffer {
  return encodeMessage(Frontend.query, textPart(text));
}

export interface ParseMessage {
  /** "" is the unnamed statement. */
  readonly name: string;
  readonly text: string;
  /** OIDs; 0 or none leaves a type to the server. */
  readonly parameterTypes: readonly number[];
}

export function parseParse(message: Message): ParseMessage {
  const body = BodyReader.of(message);
  const parse = { name: body.text(), text: body.text(), parameterTypes: body.list(body.int16(), () => body.uint32()) };
  body.end();
  return parse;
}

export function parseMessage({ name, text, parameterTypes }: ParseMessage): Buffer {
  return encodeMessage(Frontend.parse, textPart(name), textPart(text), listPart(parameterTypes, int32Part));
}

export interface BindMessage {
  readonly portal: string;
  readonly statement: string;
  /** None: all text; one: of all; else one for each. */
  readonly formats: readonly FormatCode[];
  readonly values: readonly (Buffer | null)[];
  readonly resultFormats: readonly FormatCode[];
}

export function parseBind(message: Message): BindMessage {
  const body = BodyReader.of(message);
  const portal = body.text();
  const statement = body.text();
  const formats = body.list(body.int16(), () => body.int16());
  // A Uint16: up to 65,535 parameters.
  const values = body.list(body.uint16(), () => body.value());
  const resultFormats = body.list(body.int16(), () => body.int16());
  body.end();
  if (formats.length > 1 && formats.length !== values.length) {
    throw protocolViolation(`bind message has ${formats.length} parameter formats but ${values.length} parameters`);
  }
  return { portal, statement, formats, values, resultFormats };
}

export function bindMessage({ portal, statement, formats, values, resultFormats }: BindMessage): Buffer {
  return encodeMessage(Frontend.bind, textPart(portal), textPart(statement), listPart(formats, int16Part), listPart(values, valuePart), listPart(resultFormats, int16Part));
}

/** What Describe and Close are about. */
export interface NamedMessage {
  readonly kind: "statement" | "portal";
  readonly name: string;
}

/** Describe or Close. */
export function parseNamed(message: Message): NamedMessage {
  const body = BodyReader.of(message);
  const kind = String.fromCharCode(body.byte());
  const name = body.text();
  body.end();
  if (kind !== "S" && kind !== "P") throw protocolViolation(`invalid subtype of message ${String.fromCharCode(message.type)}`);
  return { kind: kind === "S" ? "statement" : "portal", name };
}

export function describeMessage(named: NamedMessage): Buffer {
  return encodeMessage(Frontend.describe, namedPart(named));
}

export function closeMessage(named: NamedMessage): Buffer {
  return encodeMessage(Frontend.close, namedPart(named));
}

function namedPart({ kind, name }: NamedMessage): Buffer {
  return textPart(`${kind === "statement" ? "S" : "P"}${name}`);
}

export interface ExecuteMessage {
  readonly portal: string;
  /** 0: all. */
  readonly maxRows: number;
}

export function parseExecute(message: Message): ExecuteMessage {
  const body = BodyReader.of(message);
  const execute = { portal: body.text(), maxRows: body.int32() };
  body.end();
  return execute;
}

export function executeMessage({ portal, maxRows }: ExecuteMessage): Buffer {
  return encodeMessage(Frontend.execute, textPart(portal), int32Part(maxRows));
}

/** The words of a CopyFail. */
export function parseCopyFail(message: Message): string {
  return BodyReader.of(message).text();
}

export function copyFailMessage(reason: string): Buffer {
  return encodeMessage(Frontend.copyFail, textPart(reason));
}

export function copyDataMessage(data: Buffer): Buffer {
  return encodeMessage(Frontend.copyData, data);
}

export const copyDoneMessage: Buffer = encodeMessage(Frontend.copyDone);
export const syncMessage: Buffer = encodeMessage(Frontend.sync);
export const flushMessage: Buffer = encodeMessage(Frontend.flush);
export const terminateMessage: Buffer = encodeMessage(Frontend.terminate);

export function parsePassword(message: Message): string {
  const body = BodyReader.of(message);
  const password = body.text();
  body.end();
  return password;
}

export function passwordMessage(password: string): Buffer {
  return encodeMessage(Frontend.password, textPart(password));
}

export interface SaslInitialResponse {
  readonly mechanism: string;
  /** Null where the client sends it later. */
  readonly data: Buffer | null;
}

export function parseSaslInitialResponse(message: Message): SaslInitialResponse {
  const body = BodyReader.of(message);
  const response = { mechanism: body.text(), data: body.value() };
  body.end();
  return response;
}

export function saslInitialResponse(mechanism: string, data: string): Buffer {
  return encodeMessage(Frontend.password, textPart(mechanism), valuePart(Buffer.from(data)));
}

/** Further steps: the mechanism's words and nothing else. */
export function saslResponse(data: string): Buffer {
  return encodeMessage(Frontend.password, Buffer.from(data));
}
