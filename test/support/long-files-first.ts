import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes one process long: begun late it would be waited for alone. Of others the largest file comes first, as by default. */
const LONG = ["test/crash/", "test/architecture/checks.test.ts", "test/serve/reshard.test.ts", "test/model/", "test/topologies/topologies.test.ts", "test/schema/round-trip.test.ts", "test/pipelines/changes.test.ts"];

export class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.some((name) => moduleId.includes(`/${name}`));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
