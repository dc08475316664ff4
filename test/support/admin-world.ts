import type { TaskWorld } from "../../src/admin/task-manager.js";
import type { Database } from "../../src/config/types.js";
import { ReshardError } from "../../src/errors.js";
import { reversePipeline } from "../../src/pipelines/reverse-pipeline.js";
import type { App } from "./cutover-app.js";

/** The names under which the app's databases are reached: `prod` is the one in charge. */
export function worldOf(app: App): TaskWorld {
  const { pipeline, gate } = app;
  const servedName = (database: Database): string => (database.name === gate.inCharge ? "prod" : "spare");
  return {
    databases: () => [pipeline.from, pipeline.to].map((database) => ({ ...database, name: servedName(database) })),
    pipelineFor({ source, destination, publication, slot }) {
      const way = [pipeline, reversePipeline(pipeline)].find(({ from, to }) => servedName(from) === source && servedName(to) === destination);
      if (way === undefined) throw new ReshardError("UNKNOWN_DATABASE", `There are no databases ${source} and ${destination}.`, { remedy: "Name two of [[databases]]." });
      return { ...way, publication, slot };
    },
    trafficOf: gate.trafficOf,
  };
}
