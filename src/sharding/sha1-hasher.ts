import { hash } from "node:crypto";

/**
 * PgDog's `hasher = "sha1"`: SHA-1 over the key's bytes (a uuid's 16, the UTF-8 of text) or, for integers, over their
 * decimal text; the digest's last four bytes as a big-endian number, modulo the shards
 * (pgdog frontend/router/sharding/hasher.rs).
 */
export function sha1Shard(key: string | Uint8Array, shards: number): number {
  return hash("sha1", key, "buffer").readUInt32BE(16) % shards;
}
