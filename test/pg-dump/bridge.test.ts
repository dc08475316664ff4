import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrontendMessages, type FrontendStep } from "../../src/pg-dump/frontend-messages.js";
import { ReplyCollector } from "../../src/pg-dump/reply-collector.js";

function message(type: string, body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type, "latin1"), length, body]);
}

/** Cuts bytes into pieces at random places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });
const body = fc.uint8Array({ maxLength: 40 });

describe("a reply of the server", () => {
  it("is whole exactly when ReadyForQuery is, however the bytes are cut", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom("D", "C", "T", "N", "S", "E"), body), { maxLength: 6 }), cuts, (messages, places) => {
      const collector = new ReplyCollector();
      for (let round = 0; round < 2; round++) {
        const bytes = Buffer.concat([...messages.map(([type, content]) => message(type, content)), message("Z", Buffer.from("I"))]);
        const replies = pieces(bytes, places).filter((piece) => piece.length > 0).map((piece) => collector.push(piece));
        expect(replies.slice(0, -1).every((reply) => reply === undefined)).toBe(true);
        expect(replies.at(-1)?.equals(bytes)).toBe(true);
      }
    }));
  });
});

describe("what pg_dump writes", () => {
  const code = (number: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(8, 0);
    bytes.writeUInt32BE(number, 4);
    return bytes;
  };
  const startup = Buffer.concat([Buffer.from([0, 0, 0, 21, 0, 3, 0, 0]), Buffer.from("user\0postgre\0")]);

  it("is declined encryption, told that it is logged in, and cut at Query and Sync", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom("Q", "P", "B", "S"), body), { maxLength: 8 }), cuts, (sent, places) => {
      const requests = [...sent.map(([type, content]) => message(type, content)), message("Q", Buffer.from("x\0"))];
      const wire = new FrontendMessages([["server_version", "18.4"]]);
      const handshake: FrontendStep[] = [code(80877103), code(80877104), startup].flatMap((bytes) => wire.push(bytes));
      const text = handshake.map((step) => Buffer.from(step.bytes).toString("latin1"));
      expect(text).toEqual(["N", "N", "R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0018.4\0Z\0\0\0\x05I"]);

      const steps = pieces(Buffer.concat([...requests, message("X", Buffer.alloc(0))]), places).flatMap((piece) => wire.push(piece));
      expect(steps.every((step) => step.type === "request")).toBe(true);
      expect(Buffer.concat(steps.map((step) => step.bytes)).equals(Buffer.concat(requests))).toBe(true);
      expect(steps.length).toBe(requests.filter((bytes) => bytes[0] === 0x51 || bytes[0] === 0x53).length);
    }));
  });
});
