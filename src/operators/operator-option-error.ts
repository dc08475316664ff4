import { ReshardError } from "../errors.js";

/** Where in an operator's options it is. */
export interface OptionPlace {
  /** Keys from the operator's table on: `["columns", "email"]`. */
  readonly option: readonly string[];
  /** Characters into the option's string, from 0. */
  readonly offset?: number;
}

/** An option that reads well and does not fit the table; who knows the file can point at it. */
export class OperatorOptionError extends ReshardError {
  readonly option: readonly string[];
  readonly offset: number | undefined;

  constructor(message: string, { option, offset }: OptionPlace, remedy: string) {
    super("OPERATOR_OPTION_WRONG", message, { remedy });
    this.option = option;
    this.offset = offset;
  }
}
