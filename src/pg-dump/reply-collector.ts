/** ReadyForQuery: the server has answered everything up to the last Query or Sync (protocol chapter 54.7). */
const READY_FOR_QUERY = 0x5a;

/** Gathers what a server sends until ReadyForQuery, however the bytes are cut. */
export class ReplyCollector {
  #chunks: Buffer[] = [];
  /** Of the current message: header bytes seen so far, and body bytes still to come. */
  readonly #header = Buffer.alloc(5);
  #headerBytes = 0;
  #bodyLeft = 0;

  /** Takes a chunk; the whole reply once it is complete, else undefined. A server sends nothing after it unasked. */
  push(chunk: Buffer): Buffer | undefined {
    this.#chunks.push(chunk);
    let ready = false;
    let at = 0;
    while (at < chunk.length) {
      if (this.#headerBytes < 5) {
        this.#header[this.#headerBytes++] = chunk[at++]!;
        if (this.#headerBytes < 5) continue;
        this.#bodyLeft = this.#header.readUInt32BE(1) - 4;
      } else {
        const taken = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= taken;
        at += taken;
      }
      if (this.#bodyLeft === 0) {
        ready = this.#header[0] === READY_FOR_QUERY;
        this.#headerBytes = 0;
      }
    }
    if (!ready || this.#headerBytes !== 0) return undefined;
    const reply = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return reply;
  }
}
