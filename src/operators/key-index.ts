import { valueBytes } from "../postgres/tuple-values.js";

/**
 * Finds the entry of a key given as bytes: a hash table over places in a buffer. Nothing is allocated for a key; a key
 * is `width` offsets (of a value's kind byte in pgoutput's TupleData), and two are equal where their bytes are.
 */
export class KeyIndex {
  readonly #buffer: Buffer;
  readonly #width: number;
  #slots = new Int32Array(64).fill(-1);
  #hashes = new Int32Array(32);
  #keys: Int32Array;
  #count = 0;

  constructor(buffer: Buffer, width: number) {
    this.#buffer = buffer;
    this.#width = width;
    this.#keys = new Int32Array(32 * width);
  }

  get size(): number {
    return this.#count;
  }

  /** The entry of this key, a new one (the next number) where it has none. */
  entryOf(offsets: Int32Array): number {
    const hash = this.#hash(offsets);
    const slot = this.#find(hash, offsets);
    const found = this.#slots[slot]!;
    if (found >= 0) return found;
    const entry = this.#count++;
    if (entry === this.#hashes.length) this.#growEntries();
    this.#hashes[entry] = hash;
    this.#keys.set(offsets, entry * this.#width);
    this.#slots[slot] = entry;
    if (this.#count * 2 > this.#slots.length) this.#growSlots();
    return entry;
  }

  /** The entry of this key, or -1. */
  lookUp(offsets: Int32Array): number {
    return this.#slots[this.#find(this.#hash(offsets), offsets)]!;
  }

  #find(hash: number, offsets: Int32Array): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry < 0 || (this.#hashes[entry] === hash && this.#equals(entry, offsets))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** FNV-1a over the key's bytes, then mixed so that the low bits depend on all of them. */
  #hash(offsets: Int32Array): number {
    const buffer = this.#buffer;
    let hash = 0x811c9dc5;
    for (let column = 0; column < this.#width; column++) {
      const at = offsets[column]!;
      const end = at + valueBytes(buffer, at);
      for (let byte = at; byte < end; byte++) hash = Math.imul(hash ^ buffer[byte]!, 0x01000193);
    }
    hash ^= hash >>> 15;
    return Math.imul(hash, 0x2c1b3c6d) | 0;
  }

  #equals(entry: number, offsets: Int32Array): boolean {
    const buffer = this.#buffer;
    for (let column = 0; column < this.#width; column++) {
      const a = this.#keys[entry * this.#width + column]!;
      const b = offsets[column]!;
      if (a === b) continue;
      const length = valueBytes(buffer, a);
      if (length !== valueBytes(buffer, b)) return false;
      for (let byte = 0; byte < length; byte++) if (buffer[a + byte] !== buffer[b + byte]) return false;
    }
    return true;
  }

  #growEntries(): void {
    const hashes = new Int32Array(this.#hashes.length * 2);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const keys = new Int32Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (let entry = 0; entry < this.#count; entry++) {
      let slot = this.#hashes[entry]! & mask;
      while (slots[slot]! >= 0) slot = (slot + 1) & mask;
      slots[slot] = entry;
    }
    this.#slots = slots;
  }
}
