import { randomBytes } from "node:crypto";

/** What the identifier of a prepared transaction says; it lies on one shard and belongs to one transaction of a client. */
export interface TwoPhaseGid {
  /** `identity` of the shard whose commit decides. */
  readonly decider: string;
  /** The same on all shards, and never used again. */
  readonly transaction: string;
  /** Of the shard that it lies on: identifiers are unique in a whole server, and several shards may be databases of one. */
  readonly identity: string;
}

/** What all of them begin with: others' prepared transactions are left alone. */
export const GID_PREFIX = "reshard/";

const GID = /^reshard\/(?<decider>[0-9a-f]{16})\/(?<transaction>[0-9a-f]{24}\.\d+)\/(?<identity>[0-9a-f]{16})$/;

/** Shorter than the 200 bytes that a server takes. */
export function formatGid({ decider, transaction, identity }: TwoPhaseGid): string {
  return `${GID_PREFIX}${decider}/${transaction}/${identity}`;
}

/** Undefined where it is not one of ours. */
export function parseGid(gid: string): TwoPhaseGid | undefined {
  const groups = GID.exec(gid)?.groups;
  return groups === undefined ? undefined : { decider: groups["decider"]!, transaction: groups["transaction"]!, identity: groups["identity"]! };
}

/** Names transactions: random for the process, counted within it. */
export class TransactionNames {
  readonly #prefix = randomBytes(12).toString("hex");
  #count = 0;

  next(): string {
    this.#count++;
    return `${this.#prefix}.${this.#count}`;
  }
}
