import { placeText, type Place, type Problem } from "./configuration-error.js";
import type { MappingRow, ShardedMappingRow } from "./grammar.js";
import { canonical, compareKeyValues, isKeyValue, KEY_VALUE_EXPECTED, keyValueText } from "./key-values.js";
import { placeOf, problemAt, type Row } from "./rows.js";
import type { KeyType, Mapping } from "./types.js";

type MappingSource = Row<MappingRow | ShardedMappingRow>;
type Range = Extract<Mapping, { readonly kind: "range" }>;

/**
 * The rules of one table out of its inline `mapping` or its `[[sharded_mappings]]`. Values must be of the data type,
 * no value may be listed twice, ranges may not overlap, and there is one default at most.
 */
export function mappingOf(sources: readonly MappingSource[], type: KeyType, problems: Problem[]): readonly Mapping[] {
  const mappings: Mapping[] = [];
  const ranges: { readonly source: MappingSource; readonly range: Range; readonly order: number }[] = [];
  const listed = new Map<string, Place>();
  let firstDefault: Place | undefined;

  for (const [order, source] of sources.entries()) {
    const mapping = oneMapping(source, type, problems);
    if (mapping === undefined) continue;
    mappings.push(mapping);
    if (mapping.kind === "range") {
      ranges.push({ source, range: mapping, order });
    } else if (mapping.kind === "list") {
      for (const [index, value] of mapping.values.entries()) {
        const place = placeOf(source, "values", index);
        const first = listed.get(canonical(type, value));
        if (first === undefined) listed.set(canonical(type, value), place);
        else {
          const message = `${keyValueText(value)} is already listed at ${placeText(first)}`;
          problems.push(problemAt(place, "OVERLAP", message, "each value once"));
        }
      }
    } else if (firstDefault === undefined) {
      firstDefault = placeOf(source);
    } else {
      problems.push(
        problemAt(
          placeOf(source),
          "OVERLAP",
          `a second default; the first is at ${placeText(firstDefault)}`,
          "one default at most",
        ),
      );
    }
  }

  // Sorted by start, a range overlaps an earlier one exactly if it starts before the greatest end so far.
  ranges.sort((a, b) => compareBounds(type, a.range.start, b.range.start, -1));
  let widest: (typeof ranges)[number] | undefined;
  for (const current of ranges) {
    if (widest !== undefined && !isPast(type, current.range.start, widest.range.end)) {
      const [earlier, later] = widest.order < current.order ? [widest, current] : [current, widest];
      problems.push(
        problemAt(
          placeOf(later.source),
          "OVERLAP",
          `this range overlaps the one at ${placeText(placeOf(earlier.source))}`,
          "ranges that do not overlap (the start is included, the end is not)",
        ),
      );
    }
    if (widest === undefined || compareBounds(type, current.range.end, widest.range.end, 1) > 0) widest = current;
  }
  return mappings;
}

/** Is a range with this start wholly past one with that end? */
function isPast(type: KeyType, start: bigint | string | undefined, end: bigint | string | undefined): boolean {
  return start !== undefined && end !== undefined && compareKeyValues(type, start, end) >= 0;
}

/** Orders bounds where an absent one is beyond all values: below them for `absent` -1, above for 1. */
function compareBounds(
  type: KeyType,
  a: bigint | string | undefined,
  b: bigint | string | undefined,
  absent: -1 | 1,
): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? absent : -absent;
  return compareKeyValues(type, a, b);
}

function oneMapping(source: MappingSource, type: KeyType, problems: Problem[]): Mapping | undefined {
  const { values, start, end, shard } = source.value;
  const bounded = start !== undefined || end !== undefined;
  const given = values !== undefined ? "list" : bounded ? "range" : "default";
  const kind = "kind" in source.value ? source.value.kind : given;
  const before = problems.length;

  if (values !== undefined && bounded) {
    problems.push(
      problemAt(
        placeOf(source),
        "CONFLICT",
        "a mapping has both values and start or end",
        "values for a list, or start and end for a range",
      ),
    );
  } else if (kind !== given) {
    const needs = { list: "values", range: "start, end or both", default: "neither values nor start nor end" }[kind];
    problems.push(
      problemAt(
        placeOf(source, "kind"),
        "CONFLICT",
        `kind = "${kind}" does not fit the other keys`,
        `${needs} for it`,
      ),
    );
  }
  const check = (value: bigint | string, ...keys: readonly (string | number)[]): void => {
    if (isKeyValue(type, value)) return;
    problems.push(
      problemAt(
        placeOf(source, ...keys),
        "WRONG_TYPE",
        `the value ${keyValueText(value)} does not fit the column`,
        KEY_VALUE_EXPECTED[type],
      ),
    );
  };
  for (const [index, value] of (values ?? []).entries()) check(value, "values", index);
  if (start !== undefined) check(start, "start");
  if (end !== undefined) check(end, "end");
  if (problems.length === before && start !== undefined && end !== undefined && compareKeyValues(type, start, end) >= 0) {
    problems.push(
      problemAt(
        placeOf(source, "end"),
        "WRONG_VALUE",
        "the range is empty: its end is not above its start",
        `a value above ${keyValueText(start)}`,
      ),
    );
  }

  if (problems.length > before) return undefined;
  if (values !== undefined) return { kind: "list", values, shard };
  if (!bounded) return { kind: "default", shard };
  return { kind: "range", ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }), shard };
}
