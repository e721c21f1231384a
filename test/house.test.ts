import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { LABEL, USAGES } from '../shared/constants.js'

/** The rules of the house (docs/architecture.md), held against the sources themselves. */

const root = fileURLToPath(new URL('..', import.meta.url))
const PARTIES = ['kdc', 'client', 'service'] as const
const FOLDERS = [...PARTIES, 'shared', 'cli', 'testing', 'examples', 'bench', 'console'] as const

interface Source {
  readonly path: string
  readonly text: string
  /** What it imports: files of the house as paths from its root, packages by name. */
  readonly imports: readonly string[]
}

/** `'from'` in quotes is a word of the audit log. */
const IMPORT = /(?<!['\w])(?:from|import)\s*\(?\s*'([^']+)'/g

const sources: Source[] = FOLDERS.flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.tsx?$/.test(name))
    .map(name => {
      const path = join(folder, name)
      const text = readFileSync(join(root, path), 'utf8')
      const imports = [...text.matchAll(IMPORT)].map(([, target = '']) =>
        target.startsWith('.') ? normalize(join(dirname(path), target)) : target,
      )
      return { path, text, imports }
    }),
)

const inside = (folder: string) => sources.filter(source => source.path.startsWith(`${folder}/`))

/** Entries that end in a slash are folders. */
const covers = (entries: readonly string[], path: string): boolean =>
  entries.some(entry => (entry.endsWith('/') ? path.startsWith(entry) : path === entry))

/** What derives, seals or compares keys, and what takes a bare digest. */
const PRIMITIVE_USERS = [
  'shared/crypto/',
  'shared/accept/accept.ts',
  'shared/channel/records.ts',
  'shared/exchange/reply.ts',
  'shared/http/binding.ts',
  'shared/keytab/join-code.ts',
  'shared/keytab/keytab.ts',
  'shared/ticket/credential.ts',
  'shared/ticket/opened-tickets.ts',
  'client/kept-login/kept-login.ts',
  'client/kept-login/session-keys.node.ts',
  'kdc/exchange/client-state.ts',
  'kdc/exchange/params.ts',
  'kdc/issue/inviter.ts',
  'kdc/realm/revocation-log.ts',
  'kdc/report/audit/chain.ts',
  'kdc/report/audit/end-of-log.ts',
  'kdc/upkeep/move-realm.ts',
  'kdc/vault/',
  'service/feed/cursor.ts',
]

/** What writes the bytes of a key into something that is sealed or kept in a private file. */
const KEY_READERS = [
  'shared/crypto/',
  'shared/administration/keys.ts',
  'shared/administration/invitations.ts',
  'shared/administration/principals.ts',
  'shared/keytab/join-code.ts',
  'shared/keytab/keytab.ts',
  'shared/ticket/credential.ts',
  'shared/ticket/grant.ts',
  'shared/ticket/ticket.ts',
  'kdc/vault/',
]

/** Where a service is a client, of its KDC and of nobody else: to get its first key, and to follow what is revoked. */
const CLIENT_DOORS = ['service/feed/join-service.ts', 'service/feed/kdc-feed.ts']

/** Which modules of the libraries load others only when they are needed, one line for each that they load. */
const LOADING_LATER = [
  ...Array.from({ length: 7 }, () => 'client/connect.ts'),
  'client/realm.ts',
  'client/realm.ts',
  'client/hints/hint-from.ts',
  'client/kdc-link/told-question.ts',
  'client/kept-login/find-login.ts',
  'client/kept-login/find-login.ts',
  'client/report/owner-logger.ts',
  'client/report/telemetry.ts',
  'client/request/fetch.ts',
  'client/request/http-response.ts',
  'client/request/http-response.ts',
  'client/request/presenter.ts',
  'service/load-service.ts',
  'service/load-service.ts',
]

/** From top to bottom: a file imports from its own line or from a lower one, and folders of one line not each other. */
const ORDER = {
  kdc: [
    ['index.ts'],
    ['main.ts'],
    ['vault-for.ts', 'end-on-damage.ts'],
    ['kdc-options.ts', 'data-files.ts'],
    ['audit-settings.ts'],
    ['transport/', 'metrics/'],
    ['channel/'],
    ['admin/', 'exchange/'],
    ['issue/', 'upkeep/'],
    ['realm/'],
    ['feed/'],
    ['report/', 'vault/'],
    ['store/', 'limits/'],
  ],
  client: [
    ['index.ts', 'admin.ts'],
    ['connect.ts'],
    ['connect-keeping.ts', 'connect-unprotected.ts'],
    ['rotation/', 'join/'],
    ['channel/'],
    ['realm.ts'],
    ['realm-options.ts', 'closing.ts', 'metrics.ts'],
    ['service-channel/', 'agent/'],
    ['request/'],
    ['connect-identity.ts'],
    ['kept-login/'],
    ['cache/'],
    ['connect-settings.ts', 'connect-urls.ts', 'connect-rare-options.ts'],
    ['connect-options.ts'],
    ['login/'],
    ['kdc-link/'],
    ['hints/'],
    ['ticket/', 'report/'],
  ],
  service: [
    ['index.ts', 'fastify.ts', 'fetch-handler.ts', 'koa.ts', 'redis.ts'],
    ['require-ticket.ts', 'accept-channels.ts', 'fastify/'],
    ['channel/'],
    ['node-http/', 'fetch/', 'values/', 'load-service.ts'],
    ['load-options.ts', 'redis/'],
    ['response/', 'replay/', 'feed/'],
    ['request/'],
    ['ticket-opener.ts', 'key-file.ts'],
    ['restart/'],
    ['lock/'],
    ['keys.ts', 'report/'],
  ],
  shared: [
    ['owner-logger.ts', 'http/', 'channel/', 'administration/', 'telemetry/'],
    ['accept/'],
    ['exchange/'],
    ['ticket/', 'keytab/', 'revocation/'],
    ['encoding/'],
    ['crypto/', 'pattern.ts', 'folder.node.ts', 'shown-url.ts', 'shown-failure.ts'],
    ['bytes.ts', 'principal.ts', 'logger.ts', 'timers.ts', 'options.ts'],
    [
      'base64url.ts',
      'base64url.node.ts',
      'constants.ts',
      'machine.node.ts',
      'package-version.node.ts',
      'time.ts',
      'ws.ts',
      'ws.node.ts',
    ],
    ['errors.ts'],
    ['shown-text.ts', 'recently-used.ts', 'printable.ts', 'constants/'],
    ['unseen.ts'],
  ],
  console: [
    ['main.tsx'],
    ['app/'],
    ['map/', 'principals/', 'policy/', 'audit/', 'health/'],
    ['invitations/', 'why/'],
    ['realm/'],
    ['app/route.ts'],
    ['session/'],
    ['parts/'],
    ['styles.d.ts'],
  ],
} as const satisfies Record<string, readonly (readonly string[])[]>

/** The line of the order that a path is on, and the entry there: a file by its own name goes before its folder. */
function placeOf(path: string): { readonly line: number; readonly entry: string } | undefined {
  const [party = '', ...rest] = path.split('/')
  const within = rest.join('/')
  const lines: readonly (readonly string[])[] = ORDER[party as keyof typeof ORDER] ?? []
  const entries = lines.flatMap((line, at) => line.map(entry => ({ line: at, entry })))
  return entries.find(({ entry }) => entry === within) ?? entries.find(({ entry }) => covers([entry], within))
}

const isSource = new Set(sources.map(({ path }) => path))

/** Sources of the house that a source imports, by their paths; those that the platform chooses stand for both twins. */
function importedBy({ imports }: Source): string[] {
  const written = imports
    .filter(target => target.endsWith('.js'))
    .map(target => target.replace(/\.js$/, '.ts'))
  return written.map(path => (isSource.has(`${path}x`) ? `${path}x` : path))
}

/** Files that import each other, be it by a detour. */
function circles(): string[] {
  const graph = new Map(sources.map(source => [source.path, importedBy(source)]))
  const reach = (from: string): Set<string> => {
    const seen = new Set<string>()
    const next = [...(graph.get(from) ?? [])]
    for (let path = next.pop(); path !== undefined; path = next.pop()) {
      if (seen.has(path)) continue
      seen.add(path)
      next.push(...(graph.get(path) ?? []))
    }
    return seen
  }
  return [...graph.keys()].filter(path => reach(path).has(path))
}

describe('the house', () => {
  it('has sources to look at', () => {
    expect(sources.length).toBeGreaterThan(50)
  })

  it.each(inside('shared').map(source => [source.path, source] as const))(
    '%s leans on nothing outside shared',
    (_, source) => {
      const outside = source.imports.filter(target =>
        FOLDERS.some(folder => folder !== 'shared' && target.startsWith(`${folder}/`)),
      )
      expect(outside).toEqual([])
    },
  )

  it.each(PARTIES.flatMap(party => inside(party).map(source => [source.path, party, source] as const)))(
    '%s knows no other party',
    (_, party, source) => {
      const allowed = [`${party}/`, 'shared/', ...(CLIENT_DOORS.includes(source.path) ? ['client/'] : [])]
      const others = source.imports.filter(
        target =>
          FOLDERS.some(folder => target.startsWith(`${folder}/`)) &&
          !allowed.some(own => target.startsWith(own)),
      )
      expect(others).toEqual([])
    },
  )

  it('makes the page of the console a client of the KDC, and nothing else', () => {
    const mayImport = /^(?:console\/|client\/|shared\/|preact(?:\/|$)|@preact\/signals$|d3-force$)/
    const others = inside('console').flatMap(({ path, imports }) =>
      imports.filter(target => !mayImport.test(target)).map(target => `${path} -> ${target}`),
    )
    expect(others).toEqual([])
    const users = sources.filter(({ path, imports }) => {
      const isPage = path.startsWith('console/')
      return !isPage && imports.some(target => target.startsWith('console/'))
    })
    expect(users.map(({ path }) => path)).toEqual([])
  })

  it('lets no text of the console become markup', () => {
    const markup =
      /\b(?:innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|setAttribute\('style|srcdoc)\b|<style/
    expect(
      inside('console')
        .filter(({ text }) => markup.test(text))
        .map(({ path }) => path),
    ).toEqual([])
  })

  it('has two doors from service/ to client/, and both are used', () => {
    const users = inside('service').filter(({ imports }) =>
      imports.some(target => target.startsWith('client/')),
    )
    expect(users.map(({ path }) => path).sort()).toEqual(CLIENT_DOORS)
  })

  it.each(['shared', 'client', 'console'])('%s needs Node only in *.node.ts', folder => {
    const needy = inside(folder).filter(
      ({ path, imports }) => !path.endsWith('.node.ts') && imports.some(name => name.startsWith('node:')),
    )
    expect(needy.map(source => source.path)).toEqual([])
  })

  it.each(['shared', ...PARTIES, 'console'])(
    'lets %s reach the clock and the timers of the platform in shared/ only',
    folder => {
      const platform = /Date\.now|performance\.now|new Date\(\)|(?<![.\w])(?:setTimeout|setInterval)\(/
      const readers = inside(folder).filter(({ text }) => platform.test(text))
      const allowed = ['shared/crypto/primitives.node.ts', 'shared/time.ts', 'shared/timers.ts']
      expect(readers.map(source => source.path).sort()).toEqual(
        allowed.filter(path => path.startsWith(`${folder}/`)),
      )
    },
  )

  it('lets service/ use node:http only in its adapter and in what handlers see of it', () => {
    const knowing = inside('service').filter(({ imports }) => imports.includes('node:http'))
    const allowed =
      /^service\/(?:node-http\/|channel\/|response\/|require-ticket\.ts$|accept-channels\.ts$|koa\.ts$|request\/options\.ts$)/
    expect(knowing.map(source => source.path).filter(path => !allowed.test(path))).toEqual([])
    const values = inside('service').filter(({ path }) =>
      /request\/(?:verify|authorise|refuse)\.ts$/.test(path),
    )
    expect([knowing.length > 5, values.length]).toEqual([true, 3])
  })

  it('leaves the work of passwords to clients: no KDC and no service does it', () => {
    const working = sources.filter(({ text }) =>
      /\b(?:derivePasswordKey|scrypt(?:Sync|Async)?)\s*\(/.test(text),
    )
    expect(working.map(source => source.path).sort()).toEqual([
      'client/login/new-password.ts',
      'client/login/password.ts',
      'shared/crypto/derive.ts',
      'shared/crypto/primitives.node.ts',
      'shared/crypto/primitives.ts',
      'testing/realm.ts',
    ])
    // On the threads beside the event loop, so that whoever waits for it can do something else.
    expect(sources.filter(({ text }) => /\bscryptSync\b/.test(text))).toEqual([])
  })

  it('draws randomness from the platform only', () => {
    const careless = sources.filter(
      ({ path, text }) => !path.startsWith('bench/') && text.includes('Math.random'),
    )
    expect(careless.map(source => source.path)).toEqual([])
  })

  it('uses the primitives only in the crypto folder and for bare digests', () => {
    const users = sources.filter(source =>
      source.imports.some(name => name === '#primitives' || name.startsWith('@noble/')),
    )
    expect(users.map(source => source.path).filter(path => !covers(PRIMITIVE_USERS, path))).toEqual([])
    expect(PRIMITIVE_USERS.filter(entry => !users.some(({ path }) => covers([entry], path)))).toEqual([])
  })

  it('shows the bytes of keys to few modules', () => {
    const readers = sources.filter(({ text }) => /\brevealKey\b/.test(text)).map(source => source.path)
    expect(readers.filter(path => !covers(KEY_READERS, path))).toEqual([])
    expect(KEY_READERS.filter(entry => !readers.some(path => covers([entry], path)))).toEqual([])
  })

  it('states each usage and label once, and each usage is used', () => {
    expect(new Set(USAGES).size).toBe(USAGES.length)
    expect(new Set(Object.values(LABEL)).size).toBe(Object.values(LABEL).length)
    const elsewhere = sources.filter(({ path }) => path !== 'shared/constants/labels.ts')
    for (const label of Object.values(LABEL).filter(label => label !== LABEL.EXPAND)) {
      expect(elsewhere.filter(({ text }) => text.includes(`'${label}`)).map(source => source.path)).toEqual(
        [],
      )
    }
    for (const usage of USAGES) {
      const users = inside('shared').filter(
        ({ path, text }) => !/constants|keys\.ts/.test(path) && text.includes(`'${usage}'`),
      )
      expect(users.length, usage).toBeGreaterThan(0)
    }
  })

  it('exports by name only', () => {
    expect(sources.filter(({ text }) => /^export default/m.test(text)).map(source => source.path)).toEqual([])
  })

  it('needs what a user may not have installed for its types alone', () => {
    const { peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const peers = Object.keys(peerDependencies)
    expect(peers.length).toBeGreaterThan(0)
    const running = sources.filter(({ path, text }) => {
      const importing = /(?:^(?:import|export)\b(?! type\b)[^']*?from|^import|\bimport\()\s*'([^']+)'/gm
      const isPublished = !/^(?:examples|bench)\//.test(path)
      return isPublished && [...text.matchAll(importing)].some(([, name = '']) => peers.includes(name))
    })
    expect(running.map(({ path }) => path)).toEqual([])
  })

  it.each(Object.keys(ORDER))('imports downwards only in %s', party => {
    const upwards = inside(party).flatMap(source => {
      const from = placeOf(source.path)
      return importedBy(source)
        .filter(target => target.startsWith(`${party}/`))
        .filter(target => {
          const to = placeOf(target)
          if (from === undefined || to === undefined) return true
          return to.entry !== from.entry && to.line <= from.line
        })
        .map(target => `${source.path} -> ${target}`)
    })
    expect(upwards).toEqual([])
    expect(inside(party).filter(({ path }) => placeOf(path) === undefined)).toEqual([])
    const entries = ORDER[party as keyof typeof ORDER].flat()
    const used = new Set(inside(party).map(({ path }) => placeOf(path)?.entry))
    expect(entries.filter(entry => !used.has(entry))).toEqual([])
  })

  it('sees what is imported only when it is needed', () => {
    const later = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/(?:await|typeof|return|=>|[=(,:])\s*import\s*\(.{40}/gs)].map(([call]) => ({
        path,
        call,
      })),
    )
    expect(later.length).toBeGreaterThan(10)
    // A target that is computed would be hidden from every rule here.
    const computed = later.filter(({ call }) => !/import\s*\(\s*'/.test(call))
    expect(computed.map(({ path }) => path)).toEqual([])
    // A bundler makes a second file of what is imported so, or must be told to write only one: the libraries do without, but
    // for what most pages never need, so that they need not load it.
    const inLibraries = later.filter(
      ({ path, call }) => !path.startsWith('cli/') && !call.startsWith('typeof'),
    )
    expect(inLibraries.map(({ path }) => path)).toEqual(LOADING_LATER)
    const commands = sources.find(({ path }) => path === 'cli/commands.ts')
    expect(commands?.imports).toContain('cli/admin.js')
  })

  it('requires nothing but the one package that has two ways to be loaded', () => {
    const requiring = sources.filter(({ text }) => /\bcreateRequire\(/.test(text))
    expect(requiring.map(({ path }) => path)).toEqual(['shared/ws.node.ts'])
    const importing = sources.filter(({ text }) => /^import (?!type)[^\n]* from 'ws'$/m.test(text))
    expect(importing.map(({ path }) => path).filter(path => !path.startsWith('bench/'))).toEqual([
      'shared/ws.ts',
    ])
  })

  it('has no cycle of imports', () => {
    expect(circles()).toEqual([])
  })
})

/** Lists of paths that guards go by. A path that no longer exists guards nothing, and nobody notices. */
describe('every path that is named', () => {
  const exists = (path: string): boolean => existsSync(join(root, path))
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  /** What is built comes from a source of the same name. */
  const sourceOf = (path: string): string =>
    path.replace(/^(\.\/)?dist\/(?:portable\/)?/, '').replace(/(?:\.d)?\.(c?)[jt]s$/, '.$1ts')

  it('in the exports, imports and commands of the package has its source', () => {
    const { exports, imports, bin } = JSON.parse(read('package.json')) as Record<string, unknown>
    const built = JSON.stringify([exports, imports, bin]).match(/\.\/dist\/[^"]+/g) ?? []
    expect(built.length).toBeGreaterThan(10)
    expect(built.map(sourceOf).filter(path => !exists(path))).toEqual([])
  })

  it('for what the platform chooses has a source for Node and a portable one', () => {
    const { imports } = JSON.parse(read('package.json')) as { imports: Record<string, object> }
    const { paths } = JSON.parse(read('tsconfig.json')).compilerOptions as { paths: Record<string, [string]> }
    const twins = Object.values(paths).flatMap(([path]) => [path, path.replace(/\.node\.ts$/, '.ts')])
    expect(twins.filter((path, at) => !exists(path) || path.endsWith('.node.ts') === (at % 2 === 1))).toEqual(
      [],
    )
    for (const [name, targets] of Object.entries(imports)) {
      const sources = Object.values(targets).map(path => `./${sourceOf(path)}`)
      const [path = ''] = paths[name] ?? []
      expect(sources.sort(), name).toEqual([path, path.replace(/\.node\.ts$/, '.ts')].sort())
    }
  })

  it('in the aliases of the tests exists, for each choice of the platform', () => {
    const { paths } = JSON.parse(read('tsconfig.json')).compilerOptions as { paths: object }
    const config = read('test/vitest.config.ts')
    const aliased = [...config.matchAll(/'(#[\w-]+)': `\$\{root\}([^`]+)`/g)]
    expect(aliased.map(([, name]) => name).sort()).toEqual(Object.keys(paths).sort())
    const sources = aliased.flatMap(([, , path = '']) =>
      ['', '.node'].map(twin => path.replace(/\$\{twin\}/, twin)),
    )
    expect(sources.filter(path => !exists(path))).toEqual([])
  })

  it.each([
    ['mocking', 'replace a module', /^vi\.(do)?mock\(/im],
    ['withUndici', 'load undici', /^(?:\}|import (?!type)[^\n]*) from 'undici'$/m],
  ])('in the list %s of those that %s is every test that does, and no other', (name, _, sign) => {
    const config = read('test/vitest.config.ts')
    const list = new RegExp(`const ${name} = \\[(.*?)\\]`, 's').exec(config)?.[1] ?? ''
    const named = [...list.matchAll(/'([^']+)'/g)].map(([, path]) => path)
    const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    const doing = tests
      .filter(path => path.endsWith('.test.ts'))
      .map(path => join('test', path))
      .filter(path => sign.test(read(path)))
    expect(named.sort()).toEqual(doing.sort())
  })

  it('in the areas of mutation exists', () => {
    const areas = JSON.parse(read('test/mutation/areas.json')) as Record<
      string,
      { sources: string[]; tests: string[] }
    >
    const paths = Object.values(areas).flatMap(({ sources, tests }) => [...sources, ...tests])
    expect(paths.length).toBeGreaterThan(50)
    expect(paths.filter(path => !exists(path))).toEqual([])
  })

  it.each([
    ['test/model/service-faults.ts', 10],
    ['test/model/kdc-faults.ts', 10],
    ['test/model/client-faults.ts', 5],
    ['test/simulation/faults.ts', 10],
    ['test/comparisons.test.ts', 5],
    ['test/fuzz/decoders.test.ts', 5],
    ['test/house.test.ts', 10],
  ])('in the list of %s exists', (list, least) => {
    const named =
      read(list).match(/(?<=')(?:shared|kdc|client|service|cli)\/[\w./-]+?(?:\.ts|\/)(?=['#])/g) ?? []
    expect(named.length).toBeGreaterThanOrEqual(least)
    expect(named.filter(path => !exists(path))).toEqual([])
  })
})
