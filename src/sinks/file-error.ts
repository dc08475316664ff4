import { ReshardError } from "../errors.js";

/** What a file's failure is to the operator. */
export function fileError(file: string, cause: unknown): unknown {
  if (cause instanceof ReshardError || !(cause instanceof Error) || !("code" in cause)) return cause;
  return new ReshardError("OUTPUT_FAILED", `${file} cannot be written: ${cause.message}.`, {
    place: { file },
    remedy: "See that its directory is there, may be written to and has room; then run the same command again.",
    cause,
  });
}
