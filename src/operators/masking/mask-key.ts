import { createHmac } from "node:crypto";

/** HMAC-SHA-256 under the secret of a pipeline's mask. */
export class MaskKey {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** 32 bytes. @param purpose no two purposes have digests in common */
  digest(purpose: string, value: string | Buffer): Buffer {
    return createHmac("sha256", this.#secret).update(`${purpose.length}:${purpose}`).update(value).digest();
  }
}
