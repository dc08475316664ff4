import { isSound, type TableVerdict } from "../../pipelines/table-verdict.js";
import { printable } from "./fit.js";
import type { Paint } from "./paint.js";
import { tableWidth, type TextColumn, textTable } from "./text-table.js";
import { counted, formatCount } from "../../words.js";

/**
 * What a comparison found: a table with the rows on the source and on each shard, and what is wrong in words.
 *
 * ```
 * table        sharding      source  shard 0  shard 1  equal
 * orders       key user_id  250,000  124,933  125,067  ✓
 * ```
 */
export function verdictTable(verdicts: readonly TableVerdict[], width: number, paint: Paint): string {
  const table = [tableOf(verdicts, true, true), tableOf(verdicts, false, true), tableOf(verdicts, false, false)];
  // First without the sharding, then with the shards in one column: whatever fits.
  const lines = (table.find((candidate) => tableWidth(candidate) <= width) ?? table[2]!).map((line, index) => {
    const verdict = verdicts[index - 1];
    if (verdict === undefined) return line;
    return isSound(verdict) ? line.replace(/✓$/, paint.good("✓")) : paint.bad(line);
  });
  return `${[...lines, ...faults(verdicts).map((fault) => paint.bad(fault))].join("\n")}\n`;

  function tableOf(rows: readonly TableVerdict[], withSharding: boolean, everyShard: boolean): string[] {
    const shards = rows[0]?.shardRows.length ?? 0;
    const columns: TextColumn[] = [
      { heading: "table", align: "left", shrinks: true },
      ...(withSharding ? [{ heading: "sharding", align: "left", shrinks: true } as const] : []),
      { heading: "source", align: "right" },
      ...(everyShard ? Array.from({ length: shards }, (_, shard) => ({ heading: `shard ${shard}`, align: "right" }) as const) : [{ heading: "rows per shard", align: "right" } as const]),
      { heading: "equal", align: "left" },
    ];
    const body = rows.map((verdict) => [
      verdict.table,
      ...(withSharding ? [verdict.sharding] : []),
      formatCount(verdict.sourceRows),
      ...(everyShard ? verdict.shardRows.map(formatCount) : [span(verdict.shardRows)]),
      isSound(verdict) ? "✓" : "✗",
    ]);
    return textTable(columns, body, width);
  }
}

/** `10 … 12`: the least and the most. */
function span(counts: readonly number[]): string {
  const least = Math.min(...counts);
  const most = Math.max(...counts);
  return least === most ? formatCount(least) : `${formatCount(least)} … ${formatCount(most)}`;
}

/** What is wrong, a line for each table that is not sound. */
export function faults(verdicts: readonly TableVerdict[]): string[] {
  return verdicts.filter((verdict) => !isSound(verdict)).map((verdict) => printable(`✗ ${verdict.table}: ${faultsOf(verdict).join("; ")}`));
}

function faultsOf(verdict: TableVerdict): string[] {
  const { sourceRows, shardRows, sharding, equal, misplaced } = verdict;
  const found: string[] = [];
  if (sharding === "omnisharded") {
    for (const [shard, rows] of shardRows.entries()) if (rows !== sourceRows) found.push(`shard ${shard} has ${difference(rows - sourceRows)}`);
  } else {
    const rows = shardRows.reduce((sum, count) => sum + count, 0);
    if (rows !== sourceRows) found.push(`the shards have ${difference(rows - sourceRows)}`);
  }
  if (!equal && found.length === 0) found.push("as many rows, but the checksums differ");
  if (misplaced > 0) found.push(`${counted(misplaced, "row lies", "rows lie")} on a shard where ${misplaced === 1 ? "it does" : "they do"} not belong`);
  return found;
}

function difference(rows: number): string {
  return `${counted(Math.abs(rows), "row")} too ${rows < 0 ? "few" : "many"}`;
}

/** One sentence on all tables. */
export function verdictSentence(verdicts: readonly TableVerdict[]): string {
  const bad = verdicts.filter((verdict) => !isSound(verdict)).length;
  const rows = verdicts.reduce((sum, verdict) => sum + verdict.sourceRows, 0);
  if (bad === 0) return `${counted(verdicts.length, "table")}, ${counted(rows, "row")}: all equal, and every row is on its shard.`;
  return `${formatCount(bad)} of ${counted(verdicts.length, "table")} ${bad === 1 ? "differs" : "differ"}.`;
}
