import { z } from "zod";

// Every message says what is expected; who reports it adds where it stands and what was found.

/** TOML's large integers come as bigint. */
const asNumber = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);

export const nameOption = (expected: string) => z.string({ error: expected }).min(1, { error: expected });

export const numberOption = (accepts: (value: number) => boolean, expected: string) =>
  z.preprocess(asNumber, z.number({ error: expected }).refine(accepts, { error: expected }));
