import type pg from "pg";

/** How far an index build is, as pg_stat_progress_create_index tells. */
export interface IndexProgress {
  /** The server's words for the step it is at, without `building index: `: `scanning table`, `sorting live tuples` … */
  readonly doing: string;
  /** Of that step, 0 to 1; undefined where the server does not tell. Each step begins at 0 again. */
  readonly share: number | undefined;
}

/** A row of pg_stat_progress_create_index; null where the server tells nothing. */
export interface IndexProgressRow {
  readonly phase: string | null;
  readonly blocks_done: string | null;
  readonly blocks_total: string | null;
  readonly tuples_done: string | null;
  readonly tuples_total: string | null;
}

/** The index builds of some sessions, by the process of each; those that build nothing just now are absent. */
export async function readIndexProgress(client: pg.Client, backends: readonly number[]): Promise<Map<number, IndexProgress>> {
  const { rows } = await client.query<IndexProgressRow & { pid: number }>(
    "SELECT pid, phase, blocks_done, blocks_total, tuples_done, tuples_total FROM pg_stat_progress_create_index WHERE pid = ANY($1::int4[])",
    [backends],
  );
  return new Map(rows.map((row) => [row.pid, indexProgressOf(row)]));
}

/** Tables are scanned by blocks; what comes after counts tuples. A sort counts nothing, and leaves the numbers of the scan. */
export function indexProgressOf(row: IndexProgressRow): IndexProgress {
  const doing = (row.phase ?? "initializing").replace(/^building index: /, "");
  const share = shareOf(row.tuples_done, row.tuples_total);
  const blocks = shareOf(row.blocks_done, row.blocks_total);
  if (/\bscanning\b/.test(doing)) return { doing, share: blocks };
  if (/\b(?:sorting|waiting|initializing)\b/.test(doing)) return { doing, share: undefined };
  return { doing, share: share ?? blocks };
}

function shareOf(done: string | null, total: string | null): number | undefined {
  const all = Number(total ?? 0);
  return all > 0 ? Math.min(1, Number(done ?? 0) / all) : undefined;
}
