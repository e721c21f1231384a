import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Tests run from the sources; what the platform chooses is chosen here by name. */
function platform(twin: '' | '.node') {
  return {
    '#ws': `${root}shared/ws.node.ts`,
    '#primitives': `${root}shared/crypto/primitives${twin}.ts`,
    '#base64url': `${root}shared/base64url${twin}.ts`,
    '#keytab-file': `${root}shared/keytab/keytab-file.node.ts`,
    '#kept-login': `${root}client/kept-login/find-login.node.ts`,
    '#hints': `${root}client/hints/hint-from.node.ts`,
    '#owner-logger': `${root}client/report/owner-logger.node.ts`,
    '#platform-fetch': `${root}client/request/platform-fetch.node.ts`,
    '#websocket': `${root}client/kdc-link/websocket.node.ts`,
    '#tcp': `${root}client/service-channel/tcp.node.ts`,
    '#diagnostics': `${root}shared/telemetry/diagnostics.node.ts`,
    '#agent': `${root}client/agent/agent.node.ts`,
  }
}

const slow = process.env.ORTHRUS_SLOW === '1'

/** These put another module in a module's place, so each has a process of its own. */
const mocking = [
  'test/attacks/existence.test.ts',
  'test/attacks/secrets.test.ts',
  'test/cli/make-realm.test.ts',
  'test/comparisons.test.ts',
  'test/service/key-file.test.ts',
  'test/shared/crypto/random-pool.test.ts',
  'test/shared/keytab/no-links.node.test.ts',
]

/** These load undici, which puts its own connections beneath the `fetch` of the platform for all of the process. */
const withUndici = [
  'test/client/agent/answers.test.ts',
  'test/client/agent/requests.test.ts',
  'test/end-to-end/callers.test.ts',
]

/** These read the coverage and the heap of their process, which nothing else may fill. */
const measuring = ['test/fuzz/*.test.ts', 'test/shared/ticket/opened-tickets.test.ts']

export default defineConfig({
  root,
  test: {
    // One more than there are cores, since many tests wait: for processes, for disks, for a service to be ready. What the
    // slow set measures is disturbed by that.
    maxWorkers: availableParallelism() + (slow ? 0 : 1),
    // How long a busy machine may take says nothing about what is polled for; the runner's own limit is a second.
    expect: { poll: { interval: 5, timeout: 20_000 } },
    testTimeout: slow ? 600_000 : 30_000,
    // What a test needs before it begins is made on the same busy machine.
    hookTimeout: slow ? 600_000 : 30_000,
    // All files of a core share a process, which loads each module once: to load them again for each file takes a
    // fifth of the time of all tests.
    isolate: false,
    // What a file is compiled to is kept for the next run, in node_modules, and found by its content.
    experimental: { fsModuleCache: true },
    setupFiles: 'test/support/each-file.ts',
    restoreMocks: true,
    unstubGlobals: true,
    projects: [
      {
        extends: true,
        resolve: { alias: platform('.node') },
        test: {
          name: 'openssl',
          include: ['test/**/*.test.ts'],
          exclude: [...mocking, ...withUndici, ...measuring],
        },
      },
      {
        extends: true,
        resolve: { alias: platform('') },
        test: {
          name: 'noble',
          include: ['test/shared/**/*.test.ts'],
          // What is for Node alone never meets this cryptography, and what a cache takes of the heap does not depend on it.
          exclude: [...mocking, ...measuring, 'test/shared/**/*.node.test.ts'],
        },
      },
      {
        extends: true,
        resolve: { alias: platform('.node') },
        test: { name: 'alone', include: [...mocking, ...withUndici, ...measuring], isolate: true },
      },
    ],
  },
})
