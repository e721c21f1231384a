import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What is run for each mutant: only fast tests, and first those of the parts that most others lean on. */

const root = fileURLToPath(new URL('../..', import.meta.url))

const TESTS = [
  'test/shared/protocol/form.test.ts',
  'test/shared/protocol/path.test.ts',
  'test/shared/protocol/caveats.test.ts',
  'test/shared/protocol/message.test.ts',
  'test/shared/pattern.test.ts',
  'test/shared/bytes.test.ts',
  'test/shared/texts.test.ts',
  'test/shared/crypto/twins.test.ts',
  'test/shared/protocol/grants.test.ts',
  'test/shared/protocol/tickets.test.ts',
  'test/shared/protocol/opened-tickets.test.ts',
  'test/shared/crypto/seal.test.ts',
  'test/shared/protocol/accept.test.ts',
  'test/shared/protocol/accept-steps.test.ts',
  'test/shared/protocol/ap.test.ts',
  'test/shared/protocol/encoding.test.ts',
  'test/shared/crypto/keys.test.ts',
  'test/kdc/lifetime.test.ts',
  'test/kdc/policy.test.ts',
  'test/kdc/tgt.test.ts',
  'test/service/replay-hash.test.ts',
  'test/service/replay-table.test.ts',
  'test/service/replay-floor.test.ts',
  'test/service/replay-cache.test.ts',
]

/** In the order of the list, so that a mutant falls to the nearest test and the rest need not run. */
class NearestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number =>
      TESTS.findIndex(path => moduleId.endsWith(path))
    return files.sort((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  root,
  resolve: {
    alias: {
      '#primitives': `${root}shared/crypto/primitives.node.ts`,
      '#base64url': `${root}shared/base64url.node.ts`,
      '#keytab-file': `${root}shared/keytab-file.node.ts`,
      '#websocket': `${root}client/websocket.node.ts`,
    },
  },
  test: { include: TESTS, sequence: { sequencer: NearestFirst }, testTimeout: 120_000 },
})
