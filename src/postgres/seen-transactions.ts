/** What a session sees, as `pg_current_snapshot()` tells it: `xmin:xmax:xip,xip…`, transactions in 64 bits. */
export interface SeenTransactions {
  /** All before it have ended. */
  readonly from: bigint;
  /** None from it on is seen. */
  readonly to: bigint;
  /** Those in between that are not seen. */
  readonly running: ReadonlySet<bigint>;
}

/** SQL of the text that `readSeen` reads. */
export const SEEN_TRANSACTIONS = "SELECT pg_current_snapshot()::text AS seen";

export function readSeen(text: string): SeenTransactions {
  const [from, to, running] = text.split(":") as [string, string, string];
  return { from: BigInt(from), to: BigInt(to), running: new Set(running === "" ? [] : running.split(",").map(BigInt)) };
}

/** @param xid in 32 bits, as the stream tells it, of a transaction that has committed in these days */
export function sees(seen: SeenTransactions, xid: number): boolean {
  return seesWhole(seen, wholeXid(xid, seen.to));
}

/** Whether everything that one session sees is seen by another too. */
export function seesAllOf(seen: SeenTransactions, other: SeenTransactions): boolean {
  for (const xid of seen.running) if (seesWhole(other, xid)) return false;
  for (let xid = seen.to; xid < other.to; xid++) if (seesWhole(other, xid)) return false;
  return true;
}

function seesWhole({ from, to, running }: SeenTransactions, xid: bigint): boolean {
  return xid < from || (xid < to && !running.has(xid));
}

const EPOCH = 1n << 32n;

/** Of all with these lower bits the one next to `near`, as TransactionIdPrecedes (access/transam/transam.c) sees it. */
function wholeXid(xid: number, near: bigint): bigint {
  const distance = BigInt.asIntN(32, BigInt(xid) - (near % EPOCH));
  return near + distance;
}
