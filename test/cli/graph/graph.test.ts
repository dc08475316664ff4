import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dotGraph } from "../../../src/cli/graph/dot-graph.js";
import { mermaidGraph } from "../../../src/cli/graph/mermaid-graph.js";
import { pipelineGraph } from "../../../src/cli/graph/pipeline-graph.js";
import { textGraph } from "../../../src/cli/graph/text-graph.js";
import { runCommandLine } from "../../../src/cli/program.js";
import { displayWidth } from "../../../src/cli/view/fit.js";
import { DATABASES, PIPELINE_HEAD, readText } from "../../config/files.js";
import { recordedTerminal } from "../terminal.js";

const MOVE = `${PIPELINE_HEAD}${DATABASES}
[[stages]]
type = "schema_sync"
phase = "pre"
[[stages]]
type = "copy"
operators = ["mails", "tenant"]
[[stages]]
type = "replicate"
operators = ["mails", "tenant"]
[[stages]]
type = "verify"
[operators.mails]
type = "mask"
tables = ["users", "crm.*"]
[operators.tenant]
type = "./tenant.ts"
`;
const FLOW = `${DATABASES}
[[stages]]
type = "flow"
source = "users"
sink = "shards"
[[stages]]
type = "command"
run = "echo \\"done\\""
[sources.users]
type = "copy-file"
file = "users.copy"
password = "hunter2"
[sinks.shards]
type = "shards"
database = "prod_2x"
`;

const text = (toml: string, expanded: boolean, width = 80): string => textGraph(pipelineGraph(readText(toml)), { expanded, width });

describe("the text", () => {
  it("is a line for each stage", () => {
    expect(text(MOVE, false, 100)).toBe(`prod (1 shard) to prod_2x (2 shards), publication all_tables

1  schema pre  tables and primary keys
2  copy        every row that is there, through mails, tenant; 4 tables at a time
3  replicate   every change, through mails, tenant; until the shards have caught up
4  verify      compares the shards' rows with the source's, through mails, tenant
`);
  });

  it("expanded, is what rows and changes pass, and where they end", () => {
    expect(text(MOVE, true)).toBe(`prod (1 shard) to prod_2x (2 shards), publication all_tables

1  schema pre      tables and primary keys

2  copy            every row that is there, through mails, tenant; 4 tables at a
                   time
   ┌─ prod 0       COPY binary of old:5432/prod
   │  decode       finds the rows in the bytes of COPY
   │* mails        mask, for users, crm.*
   │* tenant       ./tenant.ts, for all tables
   │  widen        integer keys become bigint
   │  shard        to which shard each row goes
   │  partition    for each shard its part of the batch
   ├→ prod_2x 0    COPY into shard-0:5432/prod_2x
   └→ prod_2x 1    COPY into shard-1:5432/prod_2x

3  replicate       every change, through mails, tenant; until the shards have
                   caught up
   ┌─ prod 0       slot of all_tables on old:5432/prod
   │  schema gate  notices tables that are changed on the source
   │  complete     looks up what an UPDATE did not send
   │* mails        mask, for users, crm.*
   │* tenant       ./tenant.ts, for all tables
   │  shard        to which shard each change goes
   ├→ prod_2x 0    skip applied, upsert into shard-0:5432/prod_2x
   └→ prod_2x 1    skip applied, upsert into shard-1:5432/prod_2x

4  verify          compares the shards' rows with the source's, through mails,
                   tenant
`);
  });

  it("of flows has their ends, and of what they are given nothing that is secret", () => {
    expect(text(FLOW, true)).toBe(`2 stages

1  flow         users to shards
   ┌─ users     copy-file: file users.copy
   ├→ shards 0  shards at shard-0:5432/prod_2x
   └→ shards 1  shards at shard-1:5432/prod_2x

2  command      sh -c "echo \\"done\\"", at most 600,000 ms
`);
  });

  it.each([40, 60, 80, 120])("keeps within %i columns, but for words that are longer", (width) => {
    for (const line of text(MOVE, true, width).split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(Math.max(width, 46));
  });

  it("shows the way back where one is streamed", () => {
    const cutover = MOVE.replaceAll(/operators = .*\n/gu, "").replace('type = "verify"', 'type = "cutover"');
    expect(text(cutover, false)).toMatch(/4 {2}cutover .*prod to prod_2x \(gateway\)\n5 {2}way back +every change of prod_2x to prod, until it is stopped\n/u);
    expect(text(`${cutover}[cutover]\nreverse = false\n`, false)).not.toContain("way back");
  });

  it("leaves out what the settings leave out", () => {
    expect(text(`${MOVE}[general]\ninteger_primary_keys = "keep"\n`, true)).not.toContain("widen");
    expect(text(`${MOVE}[general]\nresharding_copy_format = "text"\n`, true)).toContain("COPY text of old:5432/prod");
  });
});

describe("Mermaid", () => {
  it("has a subgraph for each stage that moves rows, from its sources to its sinks", () => {
    const lines = mermaidGraph(pipelineGraph(readText(FLOW)), { expanded: true });
    expect(lines).toBe(`---
title: "2 stages"
---
flowchart TB
  subgraph s1["<b>1 flow</b><br/>users to shards"]
    direction TB
    s1_from0[("<b>users</b><br/>copy-file: file users.copy")]
    s1_to0[("<b>shards 0</b><br/>shards at shard-0:5432/prod_2x")]
    s1_to1[("<b>shards 1</b><br/>shards at shard-1:5432/prod_2x")]
    s1_from0 --> s1_to0 & s1_to1
  end
  s2["<b>2 command</b><br/>sh -c #34;echo \\#34;done\\#34;#34;, at most 600,000 ms"]
  s1 ==> s2
  classDef own fill:#fff3bf,stroke:#e67700,color:#000
`);
  });
});

describe("dot", () => {
  it("has a cluster for each stage that moves rows, and edges between them", () => {
    const lines = dotGraph(pipelineGraph(readText(FLOW)), { expanded: true });
    expect(lines).toContain("{ s1_from0 } -> { s1_to0 s1_to1 };");
    expect(lines).toContain("s1_to0 -> s2 [style=bold, ltail=cluster_s1];");
    expect(lines).toContain(String.raw`s2 [label="2 command\nsh -c \"echo \\\"done\\\"\", at most 600,000 ms"];`);
    expect(dotGraph(pipelineGraph(readText(MOVE)), { expanded: false })).toContain("s3 -> s4 [style=bold];");
  });
});

describe("the command", () => {
  let directory: string;
  beforeAll(() => { directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-graph-")); });
  afterAll(() => { rmSync(directory, { recursive: true, force: true }); });

  it("prints a file's graph", async () => {
    const file = path.join(directory, "p.toml");
    writeFileSync(file, MOVE);
    const run = async (...words: readonly string[]): Promise<string> => {
      const terminal = recordedTerminal();
      expect(await runCommandLine(["graph", file, ...words], terminal)).toBe(0);
      return terminal.written.out;
    };
    expect(await run()).toBe(text(MOVE, false));
    expect(await run("--expanded", "--format", "mermaid")).toBe(mermaidGraph(pipelineGraph(readText(MOVE)), { expanded: true }));
    expect(await run("--format", "dot")).toBe(dotGraph(pipelineGraph(readText(MOVE)), { expanded: false }));
    const terminal = recordedTerminal({ json: true });
    await runCommandLine(["graph", file, "--json"], terminal);
    expect(terminal.objects().at(-1)).toMatchObject({ ok: true, graph: { stages: [{ name: "schema pre" }, { name: "copy", flow: { operators: [{ name: "decode" }, { name: "mails", own: true }, {}, {}, {}, {}] } }, {}, {}] } });
  });
});
