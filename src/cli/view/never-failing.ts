import { reasonOf } from "../../postgres/server-errors.js";

/**
 * Does what shows progress, whatever comes of it: a move of many hours must not end because a line of it could not be
 * drawn. The first failure is told of by `warn`; the others are not.
 */
export function neverFailing(warn: (line: string) => void): (show: () => void) => void {
  let told = false;
  return (show) => {
    try {
      show();
    } catch (error) {
      if (told) return;
      told = true;
      try {
        warn(`warning: progress is not shown as it should be, the work goes on: ${reasonOf(error)}\n`);
      } catch {
        // Nobody can be told.
      }
    }
  };
}
