import type { RowSet } from "../apply-step.js";

/** Some rows of a set, by their places from 0; their values stay where they are. */
export function pickRows(rows: RowSet, places: readonly number[]): RowSet {
  const width = rows.relation.columns.length;
  const offsets = new Int32Array(places.length * width);
  places.forEach((place, row) => {
    offsets.set(rows.offsets.subarray(place * width, (place + 1) * width), row * width);
  });
  return { relation: rows.relation, buffer: rows.buffer, count: places.length, offsets };
}
