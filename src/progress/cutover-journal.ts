import type pg from "pg";
import { formatLsn, type Lsn, parseLsn } from "../postgres/lsn.js";

/** The steps of a cutover, in order. */
export const CUTOVER_STEPS = ["ready", "pause", "fence", "drain", "finish", "switch", "resume"] as const;
export type CutoverStep = (typeof CUTOVER_STEPS)[number];

/** How a cutover ended; `undoing`: it is being given up. */
export type CutoverOutcome = "undoing" | "aborted" | "done";

/** Milliseconds that steps took. */
export type CutoverDurations = Readonly<Partial<Record<CutoverStep, number>>>;

/** What is known of a migration's last cutover; one row on the first destination shard. */
export interface CutoverEntry {
  readonly migration: string;
  /** The step that is being taken, or was the last. */
  readonly step: CutoverStep;
  /** Undefined while it goes on. */
  readonly outcome: CutoverOutcome | undefined;
  /** Why it was given up. */
  readonly reason: string | undefined;
  /** By source shard: every write that was acknowledged lies before it. */
  readonly fences: readonly Lsn[] | undefined;
  /** By destination shard: where its own writes begin. */
  readonly starts: readonly Lsn[] | undefined;
  readonly durations: CutoverDurations;
  /** Milliseconds that applications waited. */
  readonly paused: number | undefined;
  readonly startedAt: Date;
  /** When the step began. */
  readonly stepAt: Date;
  readonly endedAt: Date | undefined;
}

interface CutoverRow {
  migration: string;
  step: CutoverStep;
  outcome: CutoverOutcome | null;
  reason: string | null;
  fences: string[] | null;
  starts: string[] | null;
  durations: Partial<Record<CutoverStep, number>>;
  paused: number | null;
  started_at: Date;
  step_at: Date;
  ended_at: Date | null;
}

/** False on shards whose schema `reshard` was made before there were cutovers, and where there is none. */
export async function hasCutoverTable(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>("SELECT to_regclass('reshard.cutover') IS NOT NULL AS there");
  return rows[0]!.there;
}

/** The last cutover of every migration, oldest first; empty where the table is missing. */
export async function readCutovers(client: pg.Client): Promise<CutoverEntry[]> {
  if (!(await hasCutoverTable(client))) return [];
  const { rows } = await client.query<CutoverRow>("SELECT * FROM reshard.cutover ORDER BY started_at, migration");
  return rows.map((row) => ({
    migration: row.migration,
    step: row.step,
    outcome: row.outcome ?? undefined,
    reason: row.reason ?? undefined,
    fences: row.fences?.map(parseLsn),
    starts: row.starts?.map(parseLsn),
    durations: row.durations,
    paused: row.paused ?? undefined,
    startedAt: row.started_at,
    stepAt: row.step_at,
    endedAt: row.ended_at ?? undefined,
  }));
}

export async function readCutover(client: pg.Client, migration: string): Promise<CutoverEntry | undefined> {
  return (await readCutovers(client)).find((entry) => entry.migration === migration);
}

/** What is learnt on the way. */
export type CutoverFacts = Pick<CutoverEntry, "fences" | "starts" | "durations" | "paused">;

/** Notes a step before it is taken; with the first one a new cutover begins, and what was known of the last is forgotten. */
export async function journalCutoverStep(client: pg.Client, migration: string, step: CutoverStep, facts: CutoverFacts): Promise<void> {
  const begin = step === CUTOVER_STEPS[0];
  await client.query(
    `INSERT INTO reshard.cutover AS c (migration, step, fences, starts, durations, paused) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (migration) DO UPDATE SET step = EXCLUDED.step, outcome = NULL, reason = NULL, fences = EXCLUDED.fences, starts = EXCLUDED.starts,
       durations = EXCLUDED.durations, paused = EXCLUDED.paused, step_at = now(), ended_at = NULL${begin ? ", started_at = now()" : ""}`,
    [migration, step, ...columnsOf(facts)],
  );
}

export async function journalCutoverOutcome(client: pg.Client, migration: string, outcome: CutoverOutcome, facts: CutoverFacts, reason?: string): Promise<void> {
  await client.query(
    `UPDATE reshard.cutover SET outcome = $2, fences = $3, starts = $4, durations = $5, paused = $6, reason = COALESCE($7, reason), ended_at = CASE WHEN $2 = 'undoing' THEN NULL ELSE now() END
      WHERE migration = $1`,
    [migration, outcome, ...columnsOf(facts), reason ?? null],
  );
}

/** Forgets a cutover: the migration goes the other way by now. */
export async function dropCutover(client: pg.Client, migration: string): Promise<void> {
  await client.query("DELETE FROM reshard.cutover WHERE migration = $1", [migration]);
}

function columnsOf({ fences, starts, durations, paused }: CutoverFacts): unknown[] {
  const lsns = (positions: readonly Lsn[] | undefined): string | null => (positions === undefined ? null : JSON.stringify(positions.map(formatLsn)));
  return [lsns(fences), lsns(starts), JSON.stringify(durations), paused ?? null];
}
