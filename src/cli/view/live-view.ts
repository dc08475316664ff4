import { paintWith } from "./paint.js";
import { Progress } from "./progress.js";
import type { Terminal } from "../terminal.js";
import type { View } from "./view.js";

const FRAME_MILLISECONDS = 100;

/**
 * Lines that stay, and below them a block of what is under way, drawn anew ten times a second.
 *
 * @param attempt does what is done between events, where no caller would hear of a failure
 */
export function liveView(terminal: Pick<Terminal, "err" | "colors" | "columns" | "rows">, clock: () => number = Date.now, attempt: (show: () => void) => void = (show) => { show(); }): View {
  const progress = new Progress(paintWith(terminal.colors.err));
  let pending: string[] = [];
  let drawn = 0;
  let written = false;

  const draw = (block: readonly string[]): void => {
    if (pending.length === 0 && drawn === 0 && block.length === 0) return;
    // Up to the block's first line, and everything below it away: in one write, so that nothing flickers.
    const erase = drawn === 0 ? "" : `\u001b[${drawn}A\r\u001b[0J`;
    written = true;
    terminal.err(erase + [...pending, ...block].map((line) => `${line}\n`).join(""));
    pending = [];
    drawn = block.length;
  };
  // The last column stays empty: some terminals wrap when it is written. What has scrolled away cannot be drawn over.
  const frame = (): void => { draw(progress.block(terminal.columns - 1, clock()).slice(0, terminal.rows - 2)); };
  const timer = setInterval(() => { attempt(frame); }, FRAME_MILLISECONDS);
  timer.unref();

  return {
    event(event) {
      pending.push(...progress.apply(event, clock()));
    },
    say(line) {
      pending.push(line);
      frame();
    },
    interrupted() {
      drawn = 0;
    },
    close(more) {
      clearInterval(timer);
      draw([]);
      // Sets off what comes next.
      if (written && more) terminal.err("\n");
    },
  };
}
