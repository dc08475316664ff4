import { ratiosOf, type Spread, spreadOf } from "./statistics.js";

/** Times of one side, in seconds, in the order they were taken. */
export interface Timings {
  readonly label: string;
  readonly seconds: readonly number[];
}

/** What one measurement moved; `amount / seconds` is its rate. */
export interface Amount {
  /** Plural, as in `rows/s`. */
  readonly unit: string;
  readonly amount: number;
}

/** What a benchmark is to reach. */
export interface Target {
  /** What is compared: our rate itself, our time itself in seconds, our rate over the other's, or our time over the other's. */
  readonly of: "rate" | "time" | "rate ratio" | "time ratio";
  readonly bound: "at least" | "at most";
  readonly value: number;
  /** In words, for the table. */
  readonly text: string;
}

/** What a benchmark measured. */
export interface Measured {
  readonly benchmark: string;
  readonly what: string;
  readonly subject: Timings;
  readonly baseline: Timings;
  /** The first is what the rates and the target speak of. */
  readonly amounts: readonly [Amount, ...Amount[]];
  readonly target: Target;
  /** What has to be known to compare the figures: sizes, server settings. */
  readonly conditions: Readonly<Record<string, string>>;
}

export interface Rate extends Spread {
  /** For instance `rows/s`. */
  readonly unit: string;
}

/** A benchmark's figures, worked out; this is what `--json` prints. */
export interface Result extends Measured {
  readonly subjectSeconds: Spread;
  readonly baselineSeconds: Spread;
  readonly subjectRates: readonly Rate[];
  readonly baselineRates: readonly Rate[];
  /** Of the pairs: our time over the other's. Below 1 is faster. */
  readonly timeRatio: Spread;
  /** Of the pairs: our rate over the other's. Above 1 is faster. */
  readonly rateRatio: Spread;
  readonly reached: boolean;
}

export function resultOf(measured: Measured): Result {
  const { subject, baseline, amounts, target } = measured;
  const timeRatios = ratiosOf(subject.seconds, baseline.seconds);
  const subjectRates = ratesOf(subject, amounts);
  const result = {
    ...measured,
    subjectSeconds: spreadOf(subject.seconds),
    baselineSeconds: spreadOf(baseline.seconds),
    subjectRates,
    baselineRates: ratesOf(baseline, amounts),
    timeRatio: spreadOf(timeRatios),
    rateRatio: spreadOf(timeRatios.map((ratio) => 1 / ratio)),
  };
  const seen = { rate: subjectRates[0]!, time: result.subjectSeconds, "rate ratio": result.rateRatio, "time ratio": result.timeRatio }[target.of].median;
  return { ...result, reached: target.bound === "at least" ? seen >= target.value : seen <= target.value };
}

function ratesOf(timings: Timings, amounts: readonly Amount[]): Rate[] {
  return amounts.map(({ unit, amount }) => ({ unit: `${unit}/s`, ...spreadOf(timings.seconds.map((seconds) => amount / seconds)) }));
}
