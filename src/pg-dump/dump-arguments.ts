/**
 * What every pg_dump is asked for: definitions only, in UTF-8, without our own bookkeeping (there when a former
 * destination is a source now).
 */
export const dumpArguments: readonly string[] = ["--schema-only", "--encoding=UTF8", "--exclude-schema=reshard"];
