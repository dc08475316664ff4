import { z } from "zod";
import { countOnly } from "../../sinks/count-only.js";
import { copyFormatOf } from "../value-formats.js";
import type { FlowContext, FlowSink } from "./flow-parts.js";

/** Options of a sink of type "null": rows and changes are counted, and shown, and go nowhere. */
export const nullSinkOptions = z.strictObject({});

export function nullSink({ general }: FlowContext): FlowSink {
  return {
    wantsText: false,
    repeatable: true,
    toStdout: false,
    rows: ({ table }) => Promise.resolve({ format: copyFormatOf(table, { general }), attempt: () => Promise.resolve(countOnly()), close: () => Promise.resolve() }),
    changes: () => Promise.resolve({ hasBegun: () => Promise.resolve(false), attempt: () => Promise.resolve({ position: 0n, sink: countOnly() }), close: () => Promise.resolve() }),
  };
}
