/** Type, length and the parts, in one buffer. */
export function encodeMessage(type: number, ...parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(length + 1);
  bytes[0] = type;
  let position = bytes.writeInt32BE(length, 1);
  for (const part of parts) position += part.copy(bytes, position);
  return bytes;
}

/** Bytes and a zero byte. */
export function textPart(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export function bytePart(value: number): Buffer {
  return Buffer.from([value]);
}

export function int16Part(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value & 0xffff);
  return bytes;
}

export function int32Part(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Int16 count and the things. */
export function listPart<T>(things: readonly T[], part: (thing: T) => Buffer): Buffer {
  return Buffer.concat([int16Part(things.length), ...things.map(part)]);
}

/** Int32 length and the bytes; null is NULL. */
export function valuePart(value: Buffer | null): Buffer {
  return value === null ? int32Part(-1) : Buffer.concat([int32Part(value.length), value]);
}
