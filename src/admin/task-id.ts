/** 2026-01-01. */
const EPOCH = Date.UTC(2026, 0, 1);

/**
 * The number of a new task, larger than any before. They are kept in the journals only, which an operator may drop with
 * the rest of a migration's progress: so that none comes again even then, it is at least the number of minutes since 2026
 * began.
 *
 * @param last the largest that is known
 */
export function nextTaskId(last: number, now: number): number {
  return Math.max(last + 1, Math.floor((now - EPOCH) / 60_000));
}
