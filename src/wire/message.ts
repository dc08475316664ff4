import { WireError } from "./wire-error.js";

/** One message of the frontend/backend protocol 3.0, as it stands on the wire (manual, "Message Formats"). */
export interface Message {
  /** The type's ASCII code. */
  readonly type: number;
  /** The whole message: type, length, body. A view: it keeps alive the chunk that it came with. */
  readonly bytes: Buffer;
}

/** Type byte and Int32 length. */
export const HEADER_BYTES = 5;

/** What a client sends. */
export const Frontend = {
  bind: 0x42, // B
  close: 0x43, // C
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyFail: 0x66, // f
  describe: 0x44, // D
  execute: 0x45, // E
  flush: 0x48, // H
  functionCall: 0x46, // F
  parse: 0x50, // P
  /** Password, SASLInitialResponse and SASLResponse: of the login alone. */
  password: 0x70, // p
  query: 0x51, // Q
  sync: 0x53, // S
  terminate: 0x58, // X
} as const;

/** Messages of the extended query protocol that a Sync has to follow. */
export function isOfBatch(type: number): boolean {
  return type === Frontend.parse || type === Frontend.bind || type === Frontend.describe || type === Frontend.execute || type === Frontend.close;
}

/** What a server sends. */
export const Backend = {
  authentication: 0x52, // R
  backendKeyData: 0x4b, // K
  bindComplete: 0x32, // 2
  closeComplete: 0x33, // 3
  commandComplete: 0x43, // C
  copyBothResponse: 0x57, // W
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyInResponse: 0x47, // G
  copyOutResponse: 0x48, // H
  dataRow: 0x44, // D
  emptyQueryResponse: 0x49, // I
  errorResponse: 0x45, // E
  functionCallResponse: 0x56, // V
  negotiateProtocolVersion: 0x76, // v
  noData: 0x6e, // n
  noticeResponse: 0x4e, // N
  notificationResponse: 0x41, // A
  parameterDescription: 0x74, // t
  parameterStatus: 0x53, // S
  parseComplete: 0x31, // 1
  portalSuspended: 0x73, // s
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const;

/** The largest value that a message's length may have, by type; 0 for a type that is not known. */
export type MessageLimits = (type: number) => number;

/** PQ_LARGE_MESSAGE_LIMIT (libpq/libpq.h): MaxAllocSize - 1, a value's limit. */
export const LARGE_MESSAGE_LIMIT = 0x3ffffffe;
/** PQ_SMALL_MESSAGE_LIMIT (libpq/libpq.h). */
export const SMALL_MESSAGE_LIMIT = 10_000;
/** PG_MAX_AUTH_TOKEN_LENGTH (libpq/auth.h). */
export const LOGIN_MESSAGE_LIMIT = 65_535;

const FRONTEND_LIMITS = limits([
  [Object.values(Frontend), SMALL_MESSAGE_LIMIT],
  // SocketBackend (tcop/postgres.c).
  [[Frontend.query, Frontend.parse, Frontend.bind, Frontend.functionCall, Frontend.copyData], LARGE_MESSAGE_LIMIT],
  [[Frontend.password], 0],
]);
const BACKEND_LIMITS = limits([[Object.values(Backend), LARGE_MESSAGE_LIMIT]]);

/** Of a client that has logged in, as PostgreSQL has them. */
export const frontendLimits: MessageLimits = (type) => FRONTEND_LIMITS[type]!;
/** Of a client that logs in: it may answer for its password, nothing else. */
export const loginLimits: MessageLimits = (type) => (type === Frontend.password ? LOGIN_MESSAGE_LIMIT : 0);
/** Of a server. */
export const backendLimits: MessageLimits = (type) => BACKEND_LIMITS[type]!;

/** How many bytes the message at `start` has, header included; its five header bytes have to be there. Throws a `WireError`. */
export function messageBytes(bytes: Buffer, start: number, limitOf: MessageLimits): number {
  const type = bytes[start]!;
  const limit = limitOf(type);
  if (limit === 0) throw protocolViolation(`invalid message type ${type}`);
  const length = (bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!;
  if (length < 4 || length > limit) throw protocolViolation("invalid message length");
  return length + 1;
}

/** What cannot be read ends the session that sent it (08P01). */
export function protocolViolation(message: string): WireError {
  return new WireError("08P01", message, { severity: "FATAL" });
}

function limits(entries: readonly (readonly [types: readonly number[], limit: number])[]): Uint32Array {
  const table = new Uint32Array(256);
  for (const [types, limit] of entries) for (const type of types) table[type] = limit;
  return table;
}
