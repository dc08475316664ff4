import { BodyReader } from "./body-reader.js";
import { bytePart, encodeMessage, int16Part, int32Part, listPart, textPart } from "./encode-message.js";
import type { FormatCode } from "./frontend-messages.js";
import { Backend, HEADER_BYTES, type Message, protocolViolation } from "./message.js";
import { type Severity, WireError } from "./wire-error.js";

/** Outside of a transaction, inside, inside of one that failed. */
export type TransactionStatus = "I" | "T" | "E";

/** What Authentication messages say, by their number (manual, "Message Formats"). */
export type Authentication =
  | { readonly kind: "ok" }
  | { readonly kind: "cleartext" }
  | { readonly kind: "md5"; readonly salt: Buffer }
  | { readonly kind: "sasl"; readonly mechanisms: readonly string[] }
  | { readonly kind: "sasl-continue" | "sasl-final"; readonly data: string }
  | { readonly kind: "other"; readonly number: number };

export function parseAuthentication(message: Message): Authentication {
  const body = BodyReader.of(message);
  const number = body.int32();
  switch (number) {
    case 0:
      return { kind: "ok" };
    case 3:
      return { kind: "cleartext" };
    case 5:
      return { kind: "md5", salt: body.bytes(4) };
    case 10: {
      const mechanisms: string[] = [];
      for (let mechanism = body.text(); mechanism !== ""; mechanism = body.text()) mechanisms.push(mechanism);
      return { kind: "sasl", mechanisms };
    }
    case 11:
    case 12:
      return { kind: number === 11 ? "sasl-continue" : "sasl-final", data: body.rest().toString() };
    default:
      return { kind: "other", number };
  }
}

export const authenticationOk: Buffer = encodeMessage(Backend.authentication, int32Part(0));
export const authenticationCleartext: Buffer = encodeMessage(Backend.authentication, int32Part(3));

export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  return encodeMessage(Backend.authentication, int32Part(10), ...mechanisms.map(textPart), bytePart(0));
}

export function saslContinue(data: string): Buffer {
  return encodeMessage(Backend.authentication, int32Part(11), Buffer.from(data));
}

export function saslFinal(data: string): Buffer {
  return encodeMessage(Backend.authentication, int32Part(12), Buffer.from(data));
}

/** The newest minor version that is spoken here, and the protocol options that are not known. */
export function negotiateProtocolVersion(minor: number, unknownOptions: readonly string[]): Buffer {
  return encodeMessage(Backend.negotiateProtocolVersion, int32Part(minor), int32Part(unknownOptions.length), ...unknownOptions.map(textPart));
}

export interface ParameterStatus {
  readonly name: string;
  readonly value: string;
}

export function parseParameterStatus(message: Message): ParameterStatus {
  const body = BodyReader.of(message);
  return { name: body.text(), value: body.text() };
}

export function parameterStatus(name: string, value: string): Buffer {
  return encodeMessage(Backend.parameterStatus, textPart(name), textPart(value));
}

export interface BackendKeyData {
  readonly processId: number;
  readonly secretKey: Buffer;
}

export function parseBackendKeyData(message: Message): BackendKeyData {
  const body = BodyReader.of(message);
  return { processId: body.int32(), secretKey: Buffer.from(body.rest()) };
}

export function backendKeyData(processId: number, secretKey: Buffer): Buffer {
  return encodeMessage(Backend.backendKeyData, int32Part(processId), secretKey);
}

export function parseReadyForQuery(message: Message): TransactionStatus {
  const status = String.fromCharCode(BodyReader.of(message).byte());
  if (status !== "I" && status !== "T" && status !== "E") throw protocolViolation(`invalid transaction status ${JSON.stringify(status)}`);
  return status;
}

const READY: Readonly<Record<TransactionStatus, Buffer>> = { I: ready("I"), T: ready("T"), E: ready("E") };

export function readyForQuery(status: TransactionStatus): Buffer {
  return READY[status];
}

/** A column of a result. */
export interface FieldDescription {
  readonly name: string;
  /** 0 where the column is not a table's. */
  readonly tableOid: number;
  readonly columnNumber: number;
  readonly typeOid: number;
  /** Negative: varying. */
  readonly typeSize: number;
  readonly typeModifier: number;
  /** 0 where it is not known yet (Describe of a statement). */
  readonly format: FormatCode;
}

export function parseRowDescription(message: Message): FieldDescription[] {
  const body = BodyReader.of(message);
  return body.list(body.int16(), () => ({
    name: body.text(),
    tableOid: body.uint32(),
    columnNumber: body.int16(),
    typeOid: body.uint32(),
    typeSize: body.int16(),
    typeModifier: body.int32(),
    format: body.int16(),
  }));
}

export function rowDescription(fields: readonly FieldDescription[]): Buffer {
  return encodeMessage(Backend.rowDescription, listPart(fields, (field) => Buffer.concat([
    textPart(field.name), int32Part(field.tableOid), int16Part(field.columnNumber), int32Part(field.typeOid),
    int16Part(field.typeSize), int32Part(field.typeModifier), int16Part(field.format),
  ])));
}

/** A column of text, for answers that are made here. OID 25 is `text` (pg_type.dat). */
export function textField(name: string): FieldDescription {
  return { name, tableOid: 0, columnNumber: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 };
}

/** Values as views of the message. */
export function parseDataRow(message: Message): (Buffer | null)[] {
  const body = BodyReader.of(message);
  return body.list(body.int16(), () => body.value());
}

export function dataRow(values: readonly (Buffer | null)[]): Buffer {
  let length = 6;
  for (const value of values) length += 4 + (value?.length ?? 0);
  const bytes = Buffer.allocUnsafe(length + 1);
  bytes[0] = Backend.dataRow;
  bytes.writeInt32BE(length, 1);
  let position = bytes.writeUInt16BE(values.length, HEADER_BYTES);
  for (const value of values) {
    position = bytes.writeInt32BE(value?.length ?? -1, position);
    if (value !== null) position += value.copy(bytes, position);
  }
  return bytes;
}

/** The tag: `INSERT 0 5`. */
export function parseCommandComplete(message: Message): string {
  return BodyReader.of(message).text();
}

export function commandComplete(tag: string): Buffer {
  return encodeMessage(Backend.commandComplete, textPart(tag));
}

export const emptyQueryResponse: Buffer = encodeMessage(Backend.emptyQueryResponse);
export const parseComplete: Buffer = encodeMessage(Backend.parseComplete);
export const bindComplete: Buffer = encodeMessage(Backend.bindComplete);
export const closeComplete: Buffer = encodeMessage(Backend.closeComplete);
export const noData: Buffer = encodeMessage(Backend.noData);
export const portalSuspended: Buffer = encodeMessage(Backend.portalSuspended);
export const copyDone: Buffer = encodeMessage(Backend.copyDone);

export function parseParameterDescription(message: Message): number[] {
  const body = BodyReader.of(message);
  return body.list(body.uint16(), () => body.uint32());
}

export function parameterDescription(typeOids: readonly number[]): Buffer {
  return encodeMessage(Backend.parameterDescription, listPart(typeOids, int32Part));
}

/** Of CopyInResponse, CopyOutResponse and CopyBothResponse. */
export interface CopyResponse {
  readonly format: FormatCode;
  readonly columnFormats: readonly FormatCode[];
}

export function parseCopyResponse(message: Message): CopyResponse {
  const body = BodyReader.of(message);
  return { format: body.byte(), columnFormats: body.list(body.int16(), () => body.int16()) };
}

export function copyInResponse(response: CopyResponse): Buffer {
  return encodeMessage(Backend.copyInResponse, ...copyParts(response));
}

export function copyOutResponse(response: CopyResponse): Buffer {
  return encodeMessage(Backend.copyOutResponse, ...copyParts(response));
}

export function copyData(data: Buffer): Buffer {
  return encodeMessage(Backend.copyData, data);
}

export interface Notification {
  readonly processId: number;
  readonly channel: string;
  readonly payload: string;
}

export function parseNotification(message: Message): Notification {
  const body = BodyReader.of(message);
  return { processId: body.int32(), channel: body.text(), payload: body.text() };
}

export function notificationResponse({ processId, channel, payload }: Notification): Buffer {
  return encodeMessage(Backend.notificationResponse, int32Part(processId), textPart(channel), textPart(payload));
}

/** Fields of an ErrorResponse or NoticeResponse, by their letter. */
export function parseErrorFields(message: Message): Map<string, string> {
  const body = BodyReader.of(message);
  const fields = new Map<string, string>();
  for (let letter = body.byte(); letter !== 0; letter = body.byte()) fields.set(String.fromCharCode(letter), body.text());
  return fields;
}

export function parseErrorResponse(message: Message): WireError {
  const fields = parseErrorFields(message);
  const severity = fields.get("V") ?? fields.get("S");
  return new WireError(fields.get("C") ?? "XX000", fields.get("M") ?? "", {
    severity: severity === "FATAL" || severity === "PANIC" ? severity : "ERROR",
    detail: fields.get("D"),
    hint: fields.get("H"),
    fields,
  });
}

/** An error of a server is told with all the fields that it had. */
export function errorResponse(error: WireError): Buffer {
  return encodeMessage(Backend.errorResponse, ...(error.fields === undefined ? reportParts(error.severity, error) : [...error.fields].map(([letter, text]) => textPart(letter + text))), bytePart(0));
}

export interface Notice {
  readonly sqlState: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

export function noticeResponse(severity: "NOTICE" | "WARNING" | "INFO", notice: Notice): Buffer {
  return encodeMessage(Backend.noticeResponse, ...reportParts(severity, notice), bytePart(0));
}

function reportParts(severity: Severity | "NOTICE" | "WARNING" | "INFO", { sqlState, message, detail, hint }: Notice): Buffer[] {
  const fields: readonly (readonly [string, string | undefined])[] = [["S", severity], ["V", severity], ["C", sqlState], ["M", message], ["D", detail], ["H", hint]];
  // A zero byte would end the field.
  return fields.flatMap(([letter, text]) => (text === undefined ? [] : [textPart(letter + text.replaceAll("\0", " "))]));
}

function ready(status: TransactionStatus): Buffer {
  return encodeMessage(Backend.readyForQuery, bytePart(status.charCodeAt(0)));
}

function copyParts({ format, columnFormats }: CopyResponse): Buffer[] {
  return [bytePart(format), listPart(columnFormats, int16Part)];
}

