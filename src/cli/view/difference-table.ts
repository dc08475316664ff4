import type { ShardDifferences } from "../../pipelines/schema-diff.js";
import type { JudgedDifference } from "../../schema/expected-differences.js";
import { printable, truncated } from "./fit.js";
import type { Paint } from "./paint.js";
import { tableWidth, textTable } from "./text-table.js";
import { counted, formatCount } from "../../words.js";

/**
 * What a comparison of schemas found, one part a shard; what is expected is counted by its reason only.
 *
 * ```
 * shard 1 (db:5432/shop_1): 1 difference
 * object                what  source   shard
 * column public.t.name  type  text     integer
 *   expected: integer keys become bigint (12)
 * ```
 */
export function differenceTable(shards: readonly ShardDifferences[], width: number, paint: Paint): string {
  return shards.map((shard) => `${linesOf(shard, width, paint).join("\n")}\n`).join("");
}

function linesOf({ shard, server, objects, differences }: ShardDifferences, width: number, paint: Paint): string[] {
  const faults = differences.filter(({ expected }) => expected === undefined);
  const title = printable(`shard ${shard} (${server}): `);
  const reasons = new Map<string, number>();
  for (const { expected } of differences) if (expected !== undefined) reasons.set(expected, (reasons.get(expected) ?? 0) + 1);
  return [
    faults.length === 0 ? `${title}${paint.good("equal")}, ${counted(objects, "object")}` : paint.bad(`${title}${counted(faults.length, "difference")}`),
    ...(faults.length === 0 ? [] : tableOf(faults.map(cells), width)),
    ...[...reasons].map(([reason, count]) => printable(`  expected: ${reason} (${formatCount(count)})`)),
  ];
}

/** Values are cut before names are. */
function tableOf(rows: readonly (readonly string[])[], width: number): string[] {
  const columns = (names: boolean): Parameters<typeof textTable>[0] => [
    { heading: "object", align: "left", shrinks: names },
    { heading: "what", align: "left" },
    { heading: "source", align: "left", shrinks: !names },
    { heading: "shard", align: "left", shrinks: !names },
  ];
  const lines = textTable(columns(false), rows, width);
  if (tableWidth(lines) <= width) return lines;
  return textTable(columns(true), rows.map(([object, what, ...values]) => [object!, what!, ...values.map((value) => truncated(value, LEAST_CELLS))]), width);
}

/** As much of a value as is shown beside the longest name. */
const LEAST_CELLS = 12;

/** Longer texts differ somewhere in the middle: that is where they are shown from. */
const SHOWN_TOGETHER = 12;

function cells({ kind, name, what, source = "–", shard = "–" }: JudgedDifference): string[] {
  const [from, to] = [source, shard].map((text) => text.replaceAll(/\s+/g, " ").trim());
  let same = 0;
  while (same < from!.length && from![same] === to![same]) same++;
  const begin = same <= SHOWN_TOGETHER ? 0 : same - SHOWN_TOGETHER / 2;
  const shown = (text: string): string => (begin === 0 ? text : `…${text.slice(begin)}`);
  return [`${kind} ${name}`, what, shown(from!), shown(to!)];
}
