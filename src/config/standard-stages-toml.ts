import { STANDARD_STAGES } from "./stages.js";

/** The standard order as a pipeline file would say it. */
export const STANDARD_STAGES_TOML = STANDARD_STAGES.map((stage) => `[[stages]]\n${Object.entries(stage).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join("")}`).join("\n");
