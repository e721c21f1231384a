import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import areas from './areas.json' with { type: 'json' }

/** What is run for each mutant: the fast tests of its area alone (`areas.json`). */

const root = fileURLToPath(new URL('../..', import.meta.url))
const area = process.env.ORTHRUS_MUTATION_AREA as keyof typeof areas
const tests = ['test/mutation/loads.ts', ...areas[area].tests]

/** In the order of the list, so that a mutant falls to the nearest test and the rest need not run. */
class NearestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number =>
      tests.findIndex(path => moduleId.endsWith(path))
    return files.sort((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  root,
  resolve: {
    alias: {
      '#primitives': `${root}shared/crypto/primitives.node.ts`,
      '#base64url': `${root}shared/base64url.node.ts`,
      '#keytab-file': `${root}shared/keytab/keytab-file.node.ts`,
      '#kept-login': `${root}client/kept-login/find-login.node.ts`,
      '#platform-fetch': `${root}client/request/platform-fetch.node.ts`,
      '#websocket': `${root}client/kdc-link/websocket.node.ts`,
      '#tcp': `${root}client/service-channel/tcp.node.ts`,
      '#diagnostics': `${root}shared/telemetry/diagnostics.node.ts`,
      '#agent': `${root}client/agent/agent.node.ts`,
    },
  },
  // One worker loads all of a mutant's tests; a machine with other work takes long for some of them.
  test: {
    include: tests,
    setupFiles: ['test/support/each-file.ts', 'test/mutation/setup.ts'],
    sequence: { sequencer: NearestFirst },
    isolate: false,
    testTimeout: 120_000,
  },
})
