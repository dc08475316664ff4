import { z } from "zod";

/** What options of several sources and sinks have in common. */
const name = z.string({ error: "a name" }).min(1, { error: "a name" });

export const tableOptions = {
  table: z.string({ error: 'a table: "table" or "schema.table"' }).min(1, { error: 'a table: "table" or "schema.table"' }),
  /** For names with dots. */
  schema: name.optional(),
};

export const columnNames = z.array(name, { error: "a list of columns" }).min(1, { error: "at least one column, or none of the key for all" }).refine((names) => new Set(names).size === names.length, { error: "each column once" });

export const shardNumber = z.int({ error: "the number of a shard, from 0" }).min(0, { error: "the number of a shard, from 0" });

export const slotName = z.string({ error: "the name of a slot" }).regex(/^[a-z0-9_]{1,63}$/, { error: "1 to 63 of the characters a-z, 0-9 and _" });

export const publicationName = name;

/** Of a file that is read. */
export const inputPath = z.string({ error: "the path of a file" }).min(1, { error: "the path of a file" });

/** Of one that is written. */
export const outputPath = z.string({ error: 'the path of a file, or "-" for standard output' }).min(1, { error: 'the path of a file, or "-" for standard output' });
