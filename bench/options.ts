import { parseArgs } from "node:util";
import { ReshardError } from "../src/errors.js";

export const BENCHMARKS = ["split", "operators", "copy", "apply", "cutover"] as const;
export type BenchmarkName = (typeof BENCHMARKS)[number];

/** What `npm run bench -- …` was asked for. */
export interface BenchOptions {
  readonly benchmarks: readonly BenchmarkName[];
  /** One JSON document on stdout instead of a table. */
  readonly json: boolean;
  /** Pairs of measurements. */
  readonly rounds: number;
  /** split, operators: prepared bytes, in MB of 10^6. */
  readonly megabytes: number;
  /** copy: rows of the table. */
  readonly rows: number;
  /** apply: transactions in the backlog. */
  readonly transactions: number;
  /** copy: what to compare with; by default psql's pipe where psql is installed. */
  readonly beside: "psql" | "subscription" | undefined;
}

export const USAGE = `npm run bench -- [${BENCHMARKS.join("] [")}] [--json] [--rounds N]
  --rounds N        pairs of measurements (default 3)
  --megabytes N     split, operators: prepared bytes (default 256)
  --rows N          copy: rows of the table (default 2000000)
  --transactions N  apply: transactions in the backlog (default 100000)
  --beside WHAT     copy: compare with psql or subscription (default psql, where it is installed)
Example: npm run bench -- copy --rows 200000 --json
`;

/** @throws ReshardError USAGE */
export function readOptions(words: readonly string[]): BenchOptions {
  const { values, positionals } = parse(words);
  const unknown = positionals.find((name) => !BENCHMARKS.some((known) => known === name));
  if (unknown !== undefined) throw usage(`There is no benchmark "${unknown}".`);
  const { beside } = values;
  if (beside !== undefined && beside !== "psql" && beside !== "subscription") throw usage(`--beside takes psql or subscription, not "${beside}".`);
  return {
    benchmarks: BENCHMARKS.filter((name) => positionals.length === 0 || positionals.includes(name)),
    json: values.json,
    rounds: count("rounds", values.rounds),
    megabytes: count("megabytes", values.megabytes),
    rows: count("rows", values.rows),
    transactions: count("transactions", values.transactions),
    beside,
  };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        rounds: { type: "string", default: "3" },
        megabytes: { type: "string", default: "256" },
        rows: { type: "string", default: "2000000" },
        transactions: { type: "string", default: "100000" },
        beside: { type: "string" },
      },
    });
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!/^[1-9][0-9]*$/.test(text) || !Number.isSafeInteger(value)) throw usage(`--${name} takes a whole number from 1, not "${text}".`);
  return value;
}

function usage(what: string): ReshardError {
  return new ReshardError("USAGE", what, { remedy: USAGE });
}
