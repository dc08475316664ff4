import { ReshardError } from "../errors.js";

/** A command that is none. */
export class CommandSyntaxError extends ReshardError {
  readonly sqlState = "42601";
  /** Where in the text, in characters from 1. */
  readonly position: number | undefined;

  /** @param remedy what was probably meant, or the command's form */
  constructor(message: string, { position, remedy = "SHOW HELP lists the commands." }: { readonly position?: number; readonly remedy?: string } = {}) {
    super("SYNTAX_ERROR", message, { remedy });
    this.position = position;
  }
}
