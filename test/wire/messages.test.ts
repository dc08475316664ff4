import fc from "fast-check";
import { serialize } from "pg-protocol";
import { describe, expect, test } from "vitest";
import * as backend from "../../src/wire/backend-messages.js";
import * as frontend from "../../src/wire/frontend-messages.js";
import { backendLimits, frontendLimits, type Message, messageBytes } from "../../src/wire/message.js";
import { WireError } from "../../src/wire/wire-error.js";

const name = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !text.includes("\0"));
const oid = fc.nat({ max: 0xffffffff });
const format = fc.constantFrom(0, 1);
const bytes = fc.uint8Array({ maxLength: 30 }).map((array) => Buffer.from(array));
const values = fc.array(fc.option(bytes), { maxLength: 6 });
const secretKey = fc.uint8Array({ minLength: 4, maxLength: 32 }).map((array) => Buffer.from(array));

function message(whole: Buffer): Message {
  return { type: whole[0]!, bytes: whole };
}

/** What is built is read back as it was, and its length is right. */
function roundTrip<T>(build: (value: T) => Buffer, read: (message: Message) => T, arbitrary: fc.Arbitrary<T>, limits = backendLimits): void {
  fc.assert(fc.property(arbitrary, (value) => {
    const whole = build(value);
    expect(messageBytes(whole, 0, limits)).toBe(whole.length);
    expect(read(message(whole))).toEqual(value);
  }));
}

describe("what clients send is read back", () => {
  test("Query", () => {
    roundTrip(({ text }) => frontend.queryMessage(text), frontend.parseQuery, fc.record({ text: name }), frontendLimits);
  });
  test("Parse", () => {
    roundTrip(frontend.parseMessage, frontend.parseParse, fc.record({ name, text: name, parameterTypes: fc.array(oid) }), frontendLimits);
  });
  test("Bind", () => {
    const bind = fc.record({ portal: name, statement: name, formats: fc.array(format, { maxLength: 1 }), values, resultFormats: fc.array(format) });
    roundTrip(frontend.bindMessage, frontend.parseBind, bind, frontendLimits);
  });
  test("Describe and Close", () => {
    const named = fc.record({ kind: fc.constantFrom("statement" as const, "portal" as const), name });
    roundTrip(frontend.describeMessage, frontend.parseNamed, named, frontendLimits);
    roundTrip(frontend.closeMessage, frontend.parseNamed, named, frontendLimits);
  });
  test("Execute", () => {
    roundTrip(frontend.executeMessage, frontend.parseExecute, fc.record({ portal: name, maxRows: fc.nat() }), frontendLimits);
  });
  test("CopyFail and passwords", () => {
    roundTrip(frontend.copyFailMessage, frontend.parseCopyFail, name, frontendLimits);
    roundTrip(frontend.passwordMessage, frontend.parsePassword, name, () => 1000);
    roundTrip(({ mechanism, data }) => frontend.saslInitialResponse(mechanism, data!.toString()), frontend.parseSaslInitialResponse,
      fc.record({ mechanism: name, data: name.map((text): Buffer | null => Buffer.from(text)) }), () => 1000);
  });
  test("start-up, with the database that is the user's where none is named", () => {
    const parameters = fc.dictionary(name.filter((text) => !["", "user", "database", "__proto__"].includes(text) && !text.startsWith("_pq_.")), name);
    fc.assert(fc.property(parameters, name, (more, database) => {
      const packet = frontend.startupMessage([["user", "u"], ["database", database], ...Object.entries(more)]);
      expect(frontend.parseStartup(packet)).toEqual({
        kind: "startup", minor: 0, user: "u", database: database === "" ? "u" : database, parameters: new Map(Object.entries(more)), extensions: [],
      });
    }));
  });
  test("cancel requests", () => {
    fc.assert(fc.property(fc.integer(), secretKey, (processId, key) => {
      expect(frontend.parseStartup(frontend.cancelRequest(processId, key))).toEqual({ kind: "cancel", processId, secretKey: key });
    }));
    expect(frontend.parseStartup(frontend.sslRequest())).toEqual({ kind: "ssl" });
  });
});

describe("what another implementation writes is read", () => {
  test("node-postgres's messages", () => {
    expect(frontend.parseStartup(serialize.startup({ user: "u", database: "d", application_name: "a" }))).toEqual({
      kind: "startup", minor: 0, user: "u", database: "d", parameters: new Map([["application_name", "a"], ["client_encoding", "UTF8"]]), extensions: [],
    });
    expect(serialize.query("SELECT 1")).toEqual(frontend.queryMessage("SELECT 1"));
    expect(serialize.parse({ name: "s", text: "SELECT $1", types: [23] })).toEqual(frontend.parseMessage({ name: "s", text: "SELECT $1", parameterTypes: [23] }));
    expect(frontend.parseBind(message(serialize.bind({ statement: "s", values: ["1", null], binary: true })))).toEqual({
      portal: "", statement: "s", formats: [0, 0], values: [Buffer.from("1"), null], resultFormats: [1],
    });
    expect(serialize.execute({ rows: 7 })).toEqual(frontend.executeMessage({ portal: "", maxRows: 7 }));
    expect(serialize.describe({ type: "S", name: "s" })).toEqual(frontend.describeMessage({ kind: "statement", name: "s" }));
    expect(serialize.close({ type: "P" })).toEqual(frontend.closeMessage({ kind: "portal", name: "" }));
    expect([serialize.sync(), serialize.flush(), serialize.end(), serialize.copyDone()]).toEqual([frontend.syncMessage, frontend.flushMessage, frontend.terminateMessage, frontend.copyDoneMessage]);
    expect(serialize.copyFail("no")).toEqual(frontend.copyFailMessage("no"));
    expect(serialize.copyData(Buffer.from("x"))).toEqual(frontend.copyDataMessage(Buffer.from("x")));
  });
});

describe("what servers send is read back", () => {
  test("rows", () => {
    roundTrip(backend.dataRow, backend.parseDataRow, values);
    const field = fc.record({ name, tableOid: oid, columnNumber: fc.nat(1600), typeOid: oid, typeSize: fc.integer({ min: -2, max: 64 }), typeModifier: fc.integer({ min: -1 }), format });
    roundTrip(backend.rowDescription, backend.parseRowDescription, fc.array(field));
    roundTrip(backend.commandComplete, backend.parseCommandComplete, name);
    roundTrip(backend.parameterDescription, backend.parseParameterDescription, fc.array(oid));
  });
  test("session", () => {
    roundTrip(({ name: parameter, value }) => backend.parameterStatus(parameter, value), backend.parseParameterStatus, fc.record({ name, value: name }));
    roundTrip(({ processId, secretKey: key }) => backend.backendKeyData(processId, key), backend.parseBackendKeyData, fc.record({ processId: fc.integer(), secretKey }));
    roundTrip(backend.readyForQuery, backend.parseReadyForQuery, fc.constantFrom("I" as const, "T" as const, "E" as const));
    roundTrip(backend.notificationResponse, backend.parseNotification, fc.record({ processId: fc.integer(), channel: name, payload: name }));
    const copy = fc.record({ format, columnFormats: fc.array(format) });
    roundTrip(backend.copyInResponse, backend.parseCopyResponse, copy);
    roundTrip(backend.copyOutResponse, backend.parseCopyResponse, copy);
  });
  test("logins", () => {
    expect(backend.parseAuthentication(message(backend.authenticationOk))).toEqual({ kind: "ok" });
    expect(backend.parseAuthentication(message(backend.authenticationCleartext))).toEqual({ kind: "cleartext" });
    expect(backend.parseAuthentication(message(backend.authenticationSasl(["A", "B"])))).toEqual({ kind: "sasl", mechanisms: ["A", "B"] });
    expect(backend.parseAuthentication(message(backend.saslContinue("r=1")))).toEqual({ kind: "sasl-continue", data: "r=1" });
    expect(backend.parseAuthentication(message(backend.saslFinal("v=1")))).toEqual({ kind: "sasl-final", data: "v=1" });
  });
  test("errors, and those of a server with every field that they had", () => {
    const error = backend.parseErrorResponse(message(backend.errorResponse(new WireError("57P01", "gone", { severity: "FATAL", detail: "d", hint: "h" }))));
    expect(error).toMatchObject({ sqlState: "57P01", message: "gone", severity: "FATAL", detail: "d", hint: "h", fatal: true });
    const fields = new Map([["S", "FEHLER"], ["V", "ERROR"], ["C", "23505"], ["M", "doppelt"], ["n", "t_pkey"], ["R", "x"]]);
    const passedOn = backend.errorResponse(new WireError("23505", "", { fields }));
    expect([...backend.parseErrorFields(message(passedOn))]).toEqual([...fields]);
  });
});

test("whatever the bytes are, a message is read or is a WireError 08P01", () => {
  const readers: readonly ((message: Message) => unknown)[] = [
    frontend.parseQuery, frontend.parseParse, frontend.parseBind, frontend.parseNamed, frontend.parseExecute, frontend.parseCopyFail, frontend.parsePassword, frontend.parseSaslInitialResponse,
    backend.parseAuthentication, backend.parseParameterStatus, backend.parseBackendKeyData, backend.parseReadyForQuery, backend.parseRowDescription, backend.parseDataRow,
    backend.parseCommandComplete, backend.parseParameterDescription, backend.parseCopyResponse, backend.parseNotification, backend.parseErrorResponse,
    ({ bytes: whole }) => frontend.parseStartup(whole),
  ];
  fc.assert(fc.property(fc.uint8Array({ minLength: 8, maxLength: 60 }), (array) => {
    for (const read of readers) {
      try {
        read(message(Buffer.from(array)));
      } catch (error) {
        expect(error).toMatchObject({ name: "WireError", sqlState: "08P01", fatal: true });
      }
    }
  }), { numRuns: 1000 });
});
