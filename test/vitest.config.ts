import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Tests run from the sources; what the package's "imports" map chooses is chosen here by name. */
function platform(primitives: string) {
  return {
    '#primitives': `${root}shared/crypto/${primitives}`,
    '#keytab-file': `${root}shared/keytab-file.node.ts`,
    '#websocket': `${root}client/websocket.node.ts`,
  }
}

const slow = process.env.ORTHRUS_SLOW === '1'

export default defineConfig({
  root,
  test: {
    testTimeout: slow ? 600_000 : 30_000,
    projects: [
      {
        extends: true,
        resolve: { alias: platform('primitives.node.ts') },
        test: { name: 'openssl', include: ['test/**/*.test.ts'] },
      },
      {
        extends: true,
        resolve: { alias: platform('primitives.ts') },
        test: { name: 'noble', include: ['test/shared/**/*.test.ts'] },
      },
    ],
  },
})
