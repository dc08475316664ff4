/** Keys in PostgreSQL's binary send format, written the plain way. */
export function integerKey(value: bigint, length: 2 | 4 | 8): Buffer {
  const eight = Buffer.alloc(8);
  eight.writeBigInt64BE(value);
  const key = eight.subarray(8 - length);
  if (BigInt.asIntN(length * 8, value) !== value) throw new Error(`${value.toString()} does not fit ${length} bytes`);
  return key;
}

export function uuidKey(text: string): Buffer {
  return Buffer.from(text.replaceAll("-", ""), "hex");
}

export function textKey(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

/** The key in the middle of other bytes: routing must look at its own only. */
export function framed(key: Buffer): { readonly bytes: Buffer; readonly offset: number; readonly length: number } {
  return { bytes: Buffer.concat([Buffer.from([0xaa, 0xbb, 0xcc]), key, Buffer.from([0xdd, 0xee])]), offset: 3, length: key.length };
}
