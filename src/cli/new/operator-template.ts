/** The module of a new operator: it masks a column, and is there to be changed. */
export function operatorTemplate(name: string): string {
  return `import { createHmac } from "node:crypto";
import { defineOperator, perRow, type Value } from "pg-reshard";
import { z } from "zod";

/*
 * Replaces the texts of a column by others that tell nothing: the same text by the same one, so that rows that had equal
 * values still have. In a pipeline file:
 *
 *   [operators.${name}]
 *   type = "./${name}.ts"
 *   tables = ["users"]
 *   column = "email"
 *   key = "\${MASK_KEY}"
 *
 * and operators = ["${name}"] in its copy and its replicate stage.
 */
export default defineOperator({
  name: "${name}",

  // What the pipeline file has to say. Mistakes are told with their place in it; the messages say what is expected.
  options: z.strictObject({
    column: z.string({ error: "the name of a column" }),
    key: z.string({ error: "a secret" }).min(16, { error: "a secret of 16 characters or more" }),
  }),

  // Called for each table. The same row has to give the same result each time: it may be copied, streamed and compared.
  create({ column, key }, { table, note }) {
    if (!table.columns.some(({ name }) => name === column)) {
      note(\`\${table.name} has no column \${column}: its rows are left as they are\`);
      return undefined;
    }
    const masked = (value: Value | undefined): Value | undefined => {
      // NULL stays NULL; of deleted rows often only the key is known, and other columns are undefined.
      if (typeof value !== "string") return value;
      return \`\${createHmac("sha256", key).update(value).digest("hex").slice(0, 12)}@masked.test\`;
    };
    // One row at a time. null in place of a row leaves it out: then say drops: true beside writes.
    return perRow({ writes: [column] }, (row) => ({ ...row, [column]: masked(row[column]) }));
  },
});
`;
}
