import { writeFileSync } from "node:fs";
import { generatedPages } from "./pages.js";

for (const [name, text] of generatedPages()) writeFileSync(new URL(`../${name}`, import.meta.url), text);
