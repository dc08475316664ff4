import { EXIT } from "./failure.js";

/** As much of `process` as is needed; a test brings its own. */
export interface SignalSource {
  on(signal: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  off(signal: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * The first SIGINT or SIGTERM asks for a stop at a good moment, the second ends the process at once; what is committed
 * can be gone on from either way.
 */
export function stopOnSignals(source: SignalSource, onFirst: () => void): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const listener = (): void => {
    if (controller.signal.aborted) {
      source.exit(EXIT.stopped);
      return;
    }
    onFirst();
    controller.abort();
  };
  source.on("SIGINT", listener);
  source.on("SIGTERM", listener);
  return {
    signal: controller.signal,
    dispose() {
      source.off("SIGINT", listener);
      source.off("SIGTERM", listener);
    },
  };
}
