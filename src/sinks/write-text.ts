import { concatMap, defer, finalize } from "rxjs";
import { defect } from "../errors.js";
import type { Receipt, Sink } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";
import type { TextBatch } from "../text-batch.js";
import type { TextOutput, TextWriter } from "./text-output.js";

/**
 * Writes texts one after the other. A batch is taken when it is written, and durable, where it has `resume`, when the
 * output keeps it.
 *
 * @param head written first where the output is new
 */
export function writeText(output: TextOutput, head: string): Sink<TextBatch, Lsn> {
  return (batches$) =>
    defer(() => {
      let opening: Promise<TextWriter> | undefined;
      let isOver = false;
      const writerOf = async (): Promise<TextWriter> => {
        if (isOver) throw defect("an output was written to after its end");
        return await (opening ??= open(output, head));
      };
      return batches$.pipe(
        concatMap(async ({ sequence, resume, text }): Promise<Receipt<Lsn>> => {
          const writer = await writerOf();
          if (text.length > 0) await writer.write(text);
          if (resume === undefined) return { taken: sequence };
          await writer.keep(resume);
          return { taken: sequence, durable: resume };
        }),
        finalize(() => {
          isOver = true;
          opening?.then((writer) => writer.close()).catch(() => undefined);
        }),
      );
    });
}

async function open(output: TextOutput, head: string): Promise<TextWriter> {
  const writer = await output.open();
  if (writer.isNew && head !== "") await writer.write(Buffer.from(head, "utf8"));
  return writer;
}
