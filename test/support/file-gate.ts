import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const LOOK_MILLISECONDS = 2;

/**
 * A gate that other processes close and turn by files, as an operator's commands would: it outlives those processes. The
 * name of the side in charge is in one file; while another is there nobody enters; a third says that all have left.
 */
export class FileGate {
  readonly processes = new Set<number>();
  readonly #directory: string;
  readonly #timer: NodeJS.Timeout;
  #inside = 0;

  constructor(directory: string, inCharge: string) {
    this.#directory = directory;
    writeFileSync(this.#file("side"), `${inCharge}\n`);
    this.#timer = setInterval(() => {
      if (this.#inside === 0 && existsSync(this.#file("paused"))) writeFileSync(this.#file("drained"), "");
    }, LOOK_MILLISECONDS);
  }

  get inCharge(): string {
    return readFileSync(this.#file("side"), "utf8").trim();
  }

  get isClosed(): boolean {
    return existsSync(this.#file("paused"));
  }

  async enter(): Promise<string> {
    while (this.isClosed) await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
    this.#inside++;
    return this.inCharge;
  }

  leave(): void {
    this.#inside--;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** `[cutover]` of a pipeline file. */
  toml({ tells }: { readonly tells: boolean }): string {
    const commands = {
      pause_command: `cd '${this.#directory}' && touch paused && while [ ! -e drained ]; do sleep 0.01; done`,
      switch_command: `cd '${this.#directory}' && echo "$PG_RESHARD_TO" > side.new && mv side.new side`,
      // What drained goes first: a pause that follows must not find the old one.
      resume_command: `cd '${this.#directory}' && while [ -e paused ]; do rm -f paused; sleep 0.01; rm -f drained; done`,
      ...(tells ? { in_charge_command: `cat '${this.#directory}/side'` } : {}),
    };
    return ['[cutover]', 'traffic = "command"', ...Object.entries(commands).map(([key, command]) => `${key} = ${JSON.stringify(command)}`)].join("\n");
  }

  #file(name: string): string {
    return path.join(this.#directory, name);
  }
}
