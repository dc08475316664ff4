import { expect, test } from "vitest";
import { encodeWideRow, fillWideRows, ROW_BYTES, WIDE_ROWS_COLUMNS, WIDE_ROWS_TABLE } from "../../bench/wide-rows.js";
import { fieldCount } from "../../src/postgres/copy-binary.js";
import { startTestCluster } from "../support/cluster.js";

test("rows have the length the benchmarks speak of, made up or copied from a server", async () => {
  for (const row of [0, 1, 499_999, 2_000_000]) {
    const tuple = encodeWideRow(row);
    expect(tuple).toHaveLength(ROW_BYTES);
    expect(fieldCount(tuple, 0)).toBe(WIDE_ROWS_COLUMNS.length);
  }
  const cluster = await startTestCluster();
  const client = await cluster.connect();
  await client.query(WIDE_ROWS_TABLE);
  await client.query(fillWideRows(3_000));
  // Field count and lengths, then each value as it is sent.
  const { rows } = await client.query<{ bytes: number; rows: number }>(
    `SELECT DISTINCT 2 + 4 * ${WIDE_ROWS_COLUMNS.length} + length(int8send(id)) + length(int8send(user_id)) + length(timestamptz_send(created_at))
            + length(int4send(amount)) + length(textsend(note)) AS bytes, count(*) OVER ()::int4 AS rows FROM public.wide_rows`,
  );
  expect(rows).toEqual([{ bytes: ROW_BYTES, rows: 3_000 }]);
  await client.end();
});
