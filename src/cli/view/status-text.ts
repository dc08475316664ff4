import { FINISHED_PHASE } from "../../pipelines/finish.js";
import type { MigrationStatus, ShardStatus, SourceStatus } from "../../pipelines/status.js";
import { formatLsn } from "../../postgres/lsn.js";
import { left, printable } from "./fit.js";
import { formatBytes, formatDuration } from "./quantities.js";
import { stageTitle } from "./stage-title.js";
import { counted } from "../../words.js";

const LABEL_CELLS = 10;

/** What the journal says, for people. `now` is milliseconds since 1970. */
export function statusText(migrations: readonly MigrationStatus[], destination: string, now: number): string {
  if (migrations.length === 0) return `No migration to ${printable(destination)} has begun.\n`;
  return `${migrations.map((migration) => migrationLines(migration, now).join("\n")).join("\n\n")}\n`;
}

function migrationLines(migration: MigrationStatus, now: number): string[] {
  const { entry, shards, sources } = migration;
  const line = (label: string, text: string): string => `  ${left(label, LABEL_CELLS)}${printable(text)}`;
  const lines = [
    printable(entry.id),
    line("phase", phaseText(migration)),
    line("began", `${ago(entry.startedAt, now)}, last step ${ago(entry.updatedAt, now)}`),
    line("finished", entry.finishedStages.length === 0 ? "no stage yet" : entry.finishedStages.map(stageTitle).join(", ")),
  ];
  if (migration.cutover !== undefined) lines.push(line("cutover", cutoverText(migration.cutover, entry, now)));
  for (const [index, shard] of shards.entries()) {
    const of = sources[0]?.tables === undefined ? "" : ` of ${sources[0].tables}`;
    lines.push(line(`shard ${index}`, `${shard.server}: ${shard.tablesCopied}${of} tables copied (${counted(shard.rowsCopied, "row")}), ${appliedText(shard)}`));
  }
  if (sources.length === 0) return [...lines, line("slot", `${entry.slots.join(", ")} on the source ${entry.source}, which was not asked`)];
  for (const source of sources) {
    lines.push(line("slot", slotText(source)));
    if (source.lag !== undefined) lines.push(line("lag", source.lag === 0 ? "none" : formatBytes(source.lag)));
  }
  const keeping = sources.filter(({ slotState }) => slotState !== undefined).map(({ server }) => server);
  if (keeping.length > 0 && !migration.running) {
    lines.push(`  As long as the slot is there, ${printable(keeping.join(", "))} keeps its WAL for it. Go on with the same command, or end`, "  the migration: pg-reshard finish");
  }
  return lines;
}

function appliedText({ applied }: ShardStatus): string {
  if (applied.every((position) => position === undefined)) return "no change applied yet";
  return `applied ${applied.map((position) => (position === undefined ? "nothing" : formatLsn(position))).join(", ")}`;
}

function cutoverText({ step, outcome, reason, paused, endedAt, stepAt }: NonNullable<MigrationStatus["cutover"]>, { destination }: MigrationStatus["entry"], now: number): string {
  const pause = paused === undefined ? "" : `, applications waited ${Math.round(paused)} ms`;
  if (outcome === "done") return `${destination} took over ${ago(endedAt ?? stepAt, now)}${pause}`;
  if (outcome === "aborted") return `given up ${ago(endedAt ?? stepAt, now)} at ${step}${pause}${reason === undefined ? "" : `: ${reason}`}`;
  return `not finished; last at ${step}, ${ago(stepAt, now)}: run the pipeline again`;
}

function phaseText({ entry, running }: MigrationStatus): string {
  if (entry.phase === FINISHED_PHASE) return FINISHED_PHASE;
  return running ? `${stageTitle(entry.phase)}, running` : `not running; last at ${stageTitle(entry.phase)}`;
}

function slotText({ server, slot, slotState }: SourceStatus): string {
  if (slotState === undefined) return `none on ${server} (${slot})`;
  const { active, walStatus, retainedBytes } = slotState;
  const lost = walStatus === "lost" ? "; the server has thrown away WAL that it needs: the migration cannot go on" : "";
  return `${slot} on ${server}: ${active ? "active" : "not active"}, keeps ${formatBytes(retainedBytes)} of WAL (${walStatus ?? "unknown"})${lost}`;
}

function ago(date: Date, now: number): string {
  const milliseconds = now - date.getTime();
  return milliseconds < 1000 ? "just now" : `${formatDuration(Math.floor(milliseconds / 1000) * 1000).replace(/\.0 s$/, " s")} ago`;
}
