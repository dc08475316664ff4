import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReshardError } from "../../src/errors.js";
import { decodePgoutputMessage, type PgoutputContext, skipTuple } from "../../src/postgres/pgoutput-message.js";
import { encodePgoutputMessage, type Tuple, type WholeMessage, wholeMessage } from "../support/pgoutput.js";

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((value) => !value.includes("\0"));
const value = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const tuple: fc.Arbitrary<Tuple> = fc.array(
  fc.oneof(
    fc.constantFrom({ kind: "null" as const }, { kind: "unchanged" as const }),
    fc.record({ kind: fc.constantFrom("text" as const, "binary" as const), value }, { noNullPrototype: true }),
  ),
  { maxLength: 6 },
);

/** Every kind of message, as it stands inside a streamed block or outside of one. */
function messages({ streaming = false, parallel = false }: PgoutputContext): fc.Arbitrary<WholeMessage> {
  const xid = streaming ? u32 : fc.constant(undefined);
  const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> => fc.record(model, { noNullPrototype: true });
  const kind = <K extends string>(...kinds: K[]): fc.Arbitrary<K> => fc.constantFrom(...kinds);
  return fc.oneof<fc.Arbitrary<WholeMessage>[]>(
    record({ kind: kind("begin"), finalLsn: lsn, commitTime: int64, xid: u32 }),
    record({ kind: kind("commit"), commitLsn: lsn, endLsn: lsn, commitTime: int64 }),
    record({ kind: kind("origin"), commitLsn: lsn, name }),
    record({ kind: kind("message"), xid, transactional: fc.boolean(), lsn, prefix: name, content: value }),
    record({
      kind: kind("relation"), xid, oid: u32, schema: fc.oneof(name, fc.constant("pg_catalog")), name, replicaIdentity: kind("d", "n", "f", "i"),
      columns: fc.array(record({ name, typeOid: u32, typeModifier: fc.integer(), partOfKey: fc.boolean() }), { maxLength: 5 }),
    }),
    record({ kind: kind("type"), xid, oid: u32, schema: fc.oneof(name, fc.constant("pg_catalog")), name }),
    record({ kind: kind("insert"), xid, relation: u32, newTuple: tuple }),
    record({ kind: kind("update"), xid, relation: u32, oldKind: kind("none"), oldTuple: fc.constant(null), newTuple: tuple }),
    record({ kind: kind("update"), xid, relation: u32, oldKind: kind("key", "full"), oldTuple: tuple, newTuple: tuple }),
    record({ kind: kind("delete"), xid, relation: u32, oldKind: kind("key", "full"), oldTuple: tuple }),
    record({ kind: kind("truncate"), xid, relations: fc.array(u32, { maxLength: 4 }), cascade: fc.boolean(), restartIdentity: fc.boolean() }),
    record({ kind: kind("stream-start"), xid: u32, firstSegment: fc.boolean() }),
    record({ kind: kind("stream-stop") }),
    record({ kind: kind("stream-commit"), xid: u32, commitLsn: lsn, endLsn: lsn, commitTime: int64 }),
    record({ kind: kind("stream-abort"), xid: u32, subxid: u32, abortLsn: parallel ? lsn : fc.constant(undefined), abortTime: parallel ? int64 : fc.constant(undefined) }),
    record({ kind: kind("begin-prepare", "prepare", "stream-prepare"), prepareLsn: lsn, endLsn: lsn, prepareTime: int64, xid: u32, gid: name }) as fc.Arbitrary<WholeMessage>,
    record({ kind: kind("commit-prepared"), commitLsn: lsn, endLsn: lsn, commitTime: int64, xid: u32, gid: name }),
    record({ kind: kind("rollback-prepared"), prepareEndLsn: lsn, rollbackEndLsn: lsn, prepareTime: int64, rollbackTime: int64, xid: u32, gid: name }),
  );
}

const contexts = fc.record({ streaming: fc.boolean(), parallel: fc.boolean() });
const inContext = contexts.chain((context) => fc.tuple(fc.constant(context), messages(context)));

function decodeWhole(bytes: Buffer, context: PgoutputContext): WholeMessage {
  return wholeMessage(decodePgoutputMessage(bytes, 0, bytes.length, context), bytes);
}

function expectMalformed(action: () => unknown): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof ReshardError)) throw error instanceof Error ? error : new Error("nothing was thrown");
  expect([error.code, error.kind]).toEqual(["PGOUTPUT_MALFORMED", "defect"]);
}

describe("decodePgoutputMessage", () => {
  test("decodes what was encoded, wherever it lies in the buffer", () => {
    fc.assert(
      fc.property(inContext, fc.nat(20), fc.nat(20), ([context, message], before, after) => {
        const bytes = encodePgoutputMessage(message, context);
        const buffer = Buffer.concat([Buffer.alloc(before, 0x6e), bytes, Buffer.alloc(after)]);
        const decoded = decodePgoutputMessage(buffer, before, before + bytes.length, context);
        expect(wholeMessage(decoded, buffer)).toEqual(message);
        expect(encodePgoutputMessage(wholeMessage(decoded, buffer), context)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("cut short anywhere, or with a byte too many, it is refused", () => {
    fc.assert(
      fc.property(inContext, ([context, message]) => {
        const bytes = encodePgoutputMessage(message, context);
        // The bytes after the cut are there, as in a read from a socket: they belong to something else.
        for (let end = 0; end < bytes.length; end += 1) expectMalformed(() => decodePgoutputMessage(bytes, 0, end, context));
        const longer = Buffer.concat([bytes, Buffer.from([0])]);
        expectMalformed(() => decodePgoutputMessage(longer, 0, longer.length, context));
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes are either one message or PGOUTPUT_MALFORMED", () => {
    const type = fc.constantFrom(...Buffer.from("BMCORYIUDTSEcAbPKrp"));
    fc.assert(
      fc.property(contexts, fc.oneof(type, fc.nat(255)), fc.uint8Array({ maxLength: 60 }), (context, first, rest) => {
        const bytes = Buffer.from([first, ...rest]);
        try {
          decodePgoutputMessage(bytes, 0, bytes.length, context);
        } catch (error) {
          expectMalformed(() => { throw error; });
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("a changed byte gives another message or PGOUTPUT_MALFORMED", () => {
    fc.assert(
      fc.property(inContext, fc.nat(), fc.nat(255), ([context, message], at, byte) => {
        const bytes = encodePgoutputMessage(message, context);
        bytes[at % bytes.length] = byte;
        let decoded: WholeMessage;
        try {
          decoded = decodeWhole(bytes, context);
        } catch (error) {
          expectMalformed(() => { throw error; });
          return;
        }
        // Of a row every byte counts; a name that is no longer UTF-8 cannot come back as it was.
        if (decoded.kind === "insert" || decoded.kind === "update" || decoded.kind === "delete") expect(encodePgoutputMessage(decoded, context)).toEqual(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  test("OIDs and transaction ids above 2^31 stay positive", () => {
    const message: WholeMessage = { kind: "insert", xid: 0xfffffffe, relation: 0xffffffff, newTuple: [] };
    expect(decodeWhole(encodePgoutputMessage(message, { streaming: true }), { streaming: true })).toEqual(message);
  });

  test("a range outside of the buffer is refused", () => {
    const bytes = Buffer.from("E");
    for (const [offset, end] of [[0, 2], [-1, 1], [1, 0], [0, NaN]] as const) expectMalformed(() => decodePgoutputMessage(bytes, offset, end));
  });
});

describe("skipTuple", () => {
  test("gives the offset after the row, and refuses a row that does not end in time", () => {
    fc.assert(
      fc.property(tuple, tuple, (first, second) => {
        const message = encodePgoutputMessage({ kind: "update", xid: undefined, relation: 1, oldKind: "full", oldTuple: first, newTuple: second });
        const afterFirst = skipTuple(message, 6);
        expect(String.fromCharCode(message[afterFirst]!)).toBe("N");
        expect(skipTuple(message, afterFirst + 1)).toBe(message.length);
        for (let end = 6; end < afterFirst; end += 1) expectMalformed(() => skipTuple(message, 6, end));
      }),
    );
  });
});
