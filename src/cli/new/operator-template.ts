/** The module of a new operator: it masks a column, and is there to be changed. */
export function operatorTemplate(name: string): string {
  return `import { createHmac } from "node:crypto";
import { defineOperator, perRow, type RowValue } from "pg-reshard";
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

  // A column that none of the tables has is told of: it is most likely misspelt.
  columns: ({ column }) => [column],

  // Called for each table. The same row has to give the same result each time: it may be copied, streamed and compared.
  create({ column, key }, { table, note }) {
    if (!table.columns.some(({ name }) => name === column)) {
      note(\`\${table.name} has no column \${column}: its rows are left as they are\`);
      return undefined;
    }
    const masked = (value: RowValue): RowValue => {
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

/** A pipeline file with tests for it, complete: what its stage names need not be there for `pg-reshard test`. */
export function operatorTestTemplate(name: string): string {
  return `#:schema ./node_modules/pg-reshard/pipeline.schema.json
# What ${name} does, tried without a server:
#
#   pg-reshard test ${name}.toml

[operators.${name}]
type = "./${name}.ts"
column = "email"
key = "no secret, an example"

[[tests]]
name = "equal texts stay equal, NULL stays NULL"
table = "users"
columns = { id = "bigint primary key", email = "text" }
rows = [{ id = 1, email = "ana@example.org" }, { id = 2, email = "ana@example.org" }, { id = 3 }]
expect = [{ id = 1, email = "${EXAMPLE_MASK}@masked.test" }, { id = 2, email = "${EXAMPLE_MASK}@masked.test" }, { id = 3 }]

[[tests]]
name = "what is changed later is masked alike"
table = "users"
columns = { id = "bigint primary key", email = "text" }
changes = [{ insert = { id = 1, email = "ana@example.org" } }, { delete = { id = 1 } }]
expect = [{ insert = { id = 1, email = "${EXAMPLE_MASK}@masked.test" } }, { delete = { id = 1 } }]

# The tests pass what this stage names; it is not run here.
[[stages]]
type = "flow"
source = "users"
operators = ["${name}"]
sink = "nowhere"

[sources.users]
type = "copy-file"
path = "users.copy"
table = "users"
columns = ["id bigint", "email text"]

[sinks.nowhere]
type = "null"
`;
}

/** Of ana@example.org, by the example's key. */
const EXAMPLE_MASK = "78491688de25";
