import { describe, expect, it } from "vitest";
import { startCli } from "./cli-process.js";

describe("the process", () => {
  it("prints help on standard output and exits 0", async () => {
    expect(await startCli(["--help"]).ended).toMatchObject({ code: 0, err: "", out: expect.stringContaining("Usage: pg-reshard [options] [command]") as string });
  });

  it("exits 2 on wrong usage and 78 on a bad configuration, and says why on standard error", async () => {
    const [usage, configuration] = await Promise.all([startCli(["run"]).ended, startCli(["run", "none.toml"]).ended]);
    expect(usage).toEqual({ code: 2, out: "", err: "error: missing required argument 'file'\nSee pg-reshard --help.\n" });
    expect(configuration).toMatchObject({ code: 78, out: "", err: expect.stringContaining("none.toml") as string });
  });

  it("prints errors as JSON where it is asked to", async () => {
    const { ended, objects } = startCli(["run", "none.toml", "--json"]);
    expect(await ended).toMatchObject({ code: 78, err: "" });
    expect(objects).toEqual([expect.objectContaining({ type: "error", code: "CONFIGURATION" })]);
  });
});
