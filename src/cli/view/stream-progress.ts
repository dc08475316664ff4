import type { PipelineEvent } from "../../pipelines/events.js";
import { formatLsn } from "../../postgres/lsn.js";
import { formatBytes, timeLeft } from "../../pipelines/quantities.js";
import { RateMeter } from "./rate-meter.js";
import { counted, formatCount } from "../../words.js";

type StreamEvent = Extract<PipelineEvent, { type: "stream-progress" }>;

/** What streaming shows, from its events. */
export class StreamProgress {
  readonly #changeRate = new RateMeter();
  readonly #lag = new RateMeter();
  #last: StreamEvent | undefined;

  get hasBegun(): boolean {
    return this.#last !== undefined;
  }

  apply(event: StreamEvent, now: number): void {
    if (event.changes < (this.#last?.changes ?? 0)) this.#changeRate.reset();
    this.#last = event;
    this.#changeRate.add(event.changes, now);
    this.#lag.add(event.lag, now);
  }

  /** `lag 1.2 MB  3 s left  12,345 changes  2,310/s  applied 0/3A5F128`; the time only where the lag shrinks. */
  words(now: number): readonly string[] {
    const last = this.#last;
    if (last === undefined) return ["connecting"];
    const shrinking = this.#lag.perSecond(now);
    const remaining = timeLeft(last.lag, shrinking === undefined ? undefined : -shrinking);
    const rate = this.#changeRate.perSecond(now);
    return [
      last.lag === 0 ? "no lag" : `lag ${formatBytes(last.lag)}`,
      ...(remaining === undefined ? [] : [remaining]),
      counted(last.changes, "change"),
      ...(rate === undefined || rate < 0.5 ? [] : [`${formatCount(rate)}/s`]),
      `applied ${formatLsn(last.applied)}`,
    ];
  }

  summary(): string {
    return this.#last === undefined ? "" : `${counted(this.#last.changes, "change")}, applied ${formatLsn(this.#last.applied)}`;
  }
}
