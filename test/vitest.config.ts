import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Tests run from the sources; what the package's "imports" map chooses is chosen here by name. */
function platform(twin: '' | '.node') {
  return {
    '#primitives': `${root}shared/crypto/primitives${twin}.ts`,
    '#base64url': `${root}shared/base64url${twin}.ts`,
    '#keytab-file': `${root}shared/keytab/keytab-file.node.ts`,
    '#cache-mode': `${root}client/request/cache-mode.node.ts`,
    '#websocket': `${root}client/kdc-link/websocket.node.ts`,
  }
}

const slow = process.env.ORTHRUS_SLOW === '1'

export default defineConfig({
  root,
  test: {
    // Left to itself the runner keeps a core back, which on two cores is half of them.
    maxWorkers: '100%',
    // How long a busy machine may take says nothing about what is polled for; the runner's own limit is a second.
    expect: { poll: { interval: 5, timeout: 20_000 } },
    testTimeout: slow ? 600_000 : 30_000,
    projects: [
      {
        extends: true,
        resolve: { alias: platform('.node') },
        test: { name: 'openssl', include: ['test/**/*.test.ts'] },
      },
      {
        extends: true,
        resolve: { alias: platform('') },
        test: { name: 'noble', include: ['test/shared/**/*.test.ts'] },
      },
    ],
  },
})
