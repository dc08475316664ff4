import { basename, join, dirname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { Execute } from "./execute.js";
import { operatorTemplate, operatorTestTemplate } from "./new/operator-template.js";
import { pipelineTemplate } from "./new/pipeline-template.js";
import { writeNew } from "./new/write-new.js";

/** A TOML key without quotes, and a file's name everywhere. */
const NAME = /^[a-z][a-z0-9_-]{0,62}$/iu;

export function addNew(program: Command, execute: Execute): void {
  const group = program.command("new").summary("write an operator or a pipeline file to begin with").description("Writes a file that works and is there to be changed. Nothing is overwritten.");
  const add = (kind: "operator" | "pipeline", description: string, templates: Readonly<Record<string, (name: string) => string>>, next: (name: string, file: string) => string): void => {
    group
      .command(kind)
      .description(description)
      .argument("<name>", "its name, or a path that ends in it", checkedName)
      .action(async (path: string) => {
        await execute(`new ${kind}`, async () => {
          const name = basename(path);
          const files: string[] = [];
          for (const [extension, template] of Object.entries(templates)) {
            const file = join(dirname(path), `${name}.${extension}`);
            await writeNew(file, template(name));
            files.push(file);
          }
          return { ok: true, text: `${files.join("\n")}\n${next(name, files.at(-1)!)}`, fields: { files } };
        });
      });
  };
  add("operator", "Writes an operator in TypeScript, which masks a column, and its test.", { ts: operatorTemplate, toml: operatorTestTemplate }, (name, test) =>
    `\nName it in a pipeline file, and in the operators of its copy and replicate stages:\n\n  [operators.${name}]\n  type = "./${name}.ts"\n  column = "email"\n  key = "\${MASK_KEY}"\n\nTry it: pg-reshard test ${test}\n`);
  add("pipeline", "Writes a pipeline file, which moves one database to two shards.", { toml: pipelineTemplate }, (_, file) => `\nNext: pg-reshard check ${file}, pg-reshard test ${file}\n`);
}

function checkedName(path: string): string {
  if (NAME.test(basename(path))) return path;
  throw new InvalidArgumentError("A name has letters, digits, _ and -, and begins with a letter; what the file ends in is added.");
}
