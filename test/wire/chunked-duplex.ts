import { Duplex } from "node:stream";

/** A peer that sends these chunks, each when it is asked for, and then closes. */
export function sending(chunks: readonly Buffer[]): Duplex & { readonly asked: number } {
  let asked = 0;
  const duplex = new Duplex({
    // Nothing is read ahead but one chunk.
    readableHighWaterMark: 1,
    read() {
      setImmediate(() => {
        this.push(chunks[asked++] ?? null);
      });
    },
    write(_chunk, _encoding, done) {
      done();
    },
  });
  return Object.defineProperty(duplex, "asked", { get: () => asked }) as Duplex & { readonly asked: number };
}

/** Cuts `bytes` at these offsets. */
export function cutAt(bytes: Buffer, offsets: readonly number[]): Buffer[] {
  const cuts = [...new Set([0, ...offsets.map((offset) => offset % (bytes.length + 1)), bytes.length])].sort((one, other) => one - other);
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}
