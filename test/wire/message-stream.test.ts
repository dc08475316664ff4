import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandComplete, copyData, readyForQuery } from "../../src/wire/backend-messages.js";
import { startupMessage } from "../../src/wire/frontend-messages.js";
import { backendLimits, frontendLimits } from "../../src/wire/message.js";
import { MessageScanner } from "../../src/wire/message-scanner.js";
import { MessageStream } from "../../src/wire/message-stream.js";
import { cutAt, sending } from "./chunked-duplex.js";

const message = fc.oneof(
  fc.constant(readyForQuery("I")),
  fc.string({ maxLength: 20 }).map(commandComplete),
  fc.nat(3000).map((length) => copyData(Buffer.alloc(length, 0x5a))),
);
const messages = fc.array(message, { maxLength: 12 });
const cuts = fc.array(fc.nat(20_000), { maxLength: 20 });

async function readAll(stream: MessageStream): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (let next = await stream.read(); next !== undefined; next = await stream.read()) found.push(next.bytes);
  return found;
}

describe("the messages of a connection", () => {
  test("are the same however the bytes are cut", async () => {
    await fc.assert(fc.asyncProperty(messages, cuts, async (sent, offsets) => {
      const stream = new MessageStream(sending(cutAt(Buffer.concat(sent), offsets)), backendLimits);
      expect(await readAll(stream)).toEqual(sent);
      expect(stream.ended).toBe(true);
    }));
  });

  test("come after a start-up packet, in whatever pieces", async () => {
    const startup = startupMessage([["user", "u"]]);
    await fc.assert(fc.asyncProperty(messages, cuts, async (sent, offsets) => {
      const stream = new MessageStream(sending(cutAt(Buffer.concat([startup, ...sent]), offsets)), backendLimits);
      expect(await stream.readStartup()).toEqual(startup);
      expect(await readAll(stream)).toEqual(sent);
    }));
  });

  test("byte by byte, also a long one", async () => {
    const sent = [copyData(Buffer.alloc(5000, 1)), readyForQuery("T")];
    const bytes = Buffer.concat(sent);
    const stream = new MessageStream(sending(Array.from(bytes, (byte) => Buffer.of(byte))), backendLimits);
    expect(await readAll(stream)).toEqual(sent);
  });

  test("what is put back comes again, before the rest", async () => {
    await fc.assert(fc.asyncProperty(messages, cuts, async (sent, offsets) => {
      const stream = new MessageStream(sending(cutAt(Buffer.concat(sent), offsets)), backendLimits);
      const chunk = await stream.readChunk();
      if (chunk !== undefined) stream.unread(chunk);
      const first = await stream.read();
      if (first !== undefined) stream.unread(first.bytes);
      expect(await readAll(stream)).toEqual(sent);
    }));
  });

  test("a reader that is interrupted gets nothing, and nothing is lost", async () => {
    const duplex = sending([readyForQuery("I")]);
    const stream = new MessageStream(duplex, backendLimits);
    // Nobody reads: nothing happens, not even later.
    stream.interrupt();
    const reading = stream.read();
    stream.interrupt();
    expect(await reading).toBeUndefined();
    expect(stream.ended).toBe(false);
    expect(await readAll(stream)).toEqual([readyForQuery("I")]);
  });

  test("without a reader no more than a chunk is read", async () => {
    const chunks = Array.from({ length: 50 }, () => copyData(Buffer.alloc(1000)));
    const duplex = sending(chunks);
    const stream = new MessageStream(duplex, backendLimits);
    await stream.read();
    const asked = duplex.asked;
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    expect(duplex.asked).toBeLessThanOrEqual(asked + 3);
    expect(await readAll(stream)).toHaveLength(49);
  });

  test("a length that cannot be is an error, and no memory is taken for one that is not filled", async () => {
    for (const bytes of [Buffer.from("Z\0\0\0\x03I"), Buffer.from([0x5a, 0x7f, 0xff, 0xff, 0xff]), Buffer.from([0x5a, 0xff, 0xff, 0xff, 0xff]), Buffer.from("?\0\0\0\x04")]) {
      await expect(new MessageStream(sending([bytes]), backendLimits).read()).rejects.toMatchObject({ sqlState: "08P01" });
    }
    const before = process.memoryUsage().arrayBuffers;
    const huge = Buffer.from([0x64, 0x3f, 0xff, 0xff, 0xf0, 0]);
    const streams = Array.from({ length: 20 }, () => new MessageStream(sending([huge]), frontendLimits));
    for (const stream of streams) await expect(stream.read()).rejects.toMatchObject({ sqlState: "08006" });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  test("start-up packets have at most 10,000 bytes", async () => {
    for (const length of [0, 7, 10_001, 0x7fffffff, 0x80000000]) {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(length);
      await expect(new MessageStream(sending([bytes]), backendLimits).readStartup()).rejects.toMatchObject({ sqlState: "08P01", message: "invalid length of startup packet" });
    }
  });

  test("a connection that is closed in the middle of a message is lost", async () => {
    const whole = commandComplete("SELECT 1");
    const stream = new MessageStream(sending([readyForQuery("I"), whole.subarray(0, 9)]), backendLimits);
    expect((await stream.read())?.bytes).toEqual(readyForQuery("I"));
    await expect(stream.read()).rejects.toMatchObject({ sqlState: "08006" });
  });

  test("a connection that breaks wakes readers, writers and whoever waits for its end", async () => {
    const duplex = sending([]);
    duplex._write = () => undefined;
    const stream = new MessageStream(duplex, backendLimits);
    const writing = stream.write(Buffer.alloc(100_000));
    const reading = stream.read();
    duplex.destroy(new Error("reset by peer"));
    await expect(reading).rejects.toMatchObject({ sqlState: "08006" });
    await expect(writing).rejects.toMatchObject({ sqlState: "08006" });
    await stream.closed;
    await expect(stream.write(Buffer.of(1))).rejects.toMatchObject({ sqlState: "08006" });
  });
});

describe("boundaries in chunks", () => {
  test("are the same however the bytes are cut, and every byte is passed on once", () => {
    fc.assert(fc.property(messages, cuts, fc.boolean(), (sent, offsets, whole) => {
      const scanner = new MessageScanner(backendLimits, (type) => whole && type === 0x5a);
      const types: string[] = [];
      const passed: Buffer[] = [];
      for (const chunk of cutAt(Buffer.concat(sent), offsets)) {
        scanner.feed(chunk);
        while (scanner.next()) {
          types.push(String.fromCharCode(scanner.type));
          if (whole && scanner.type === 0x5a) expect(scanner.message?.bytes).toEqual(readyForQuery("I"));
        }
        passed.push(scanner.bytes.subarray(0, scanner.position));
      }
      expect(types.join("")).toBe(sent.map(([type]) => String.fromCharCode(type!)).join(""));
      expect(Buffer.concat(passed)).toEqual(Buffer.concat(sent));
      expect(scanner.atBoundary).toBe(true);
    }));
  });

  test("what was found can be taken back, and is found again", () => {
    fc.assert(fc.property(messages, cuts, fc.nat(11), (sent, offsets, stop) => {
      const scanner = new MessageScanner(backendLimits);
      const chunks = cutAt(Buffer.concat(sent), offsets);
      let count = 0;
      const passed: Buffer[] = [];
      for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
        scanner.feed(chunk);
        let takenBack = false;
        while (!takenBack && scanner.next()) {
          takenBack = count === stop;
          count += 1;
          if (takenBack) chunks.unshift(scanner.takeBack());
        }
        passed.push(scanner.bytes.subarray(0, scanner.position));
      }
      expect(count).toBe(sent.length + (stop < sent.length ? 1 : 0));
      expect(Buffer.concat(passed)).toEqual(Buffer.concat(sent));
    }));
  });
});
