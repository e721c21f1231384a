import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root, run, temporaryFolder } from '../processes.js'

/** The package as npm would publish it, laid out as `npm install` does, with this checkout's packages beside it. */

/** The entries of the package, and what their modules are called. */
export const ENTRIES = [
  'client',
  'admin',
  'service',
  'fastify',
  'fetch-handler',
  'koa',
  'replay/redis',
  'metrics',
  'opentelemetry',
  'kdc',
  'testing',
] as const

export interface Packed {
  readonly path: string
  readonly size: number
}

export interface Installed {
  /** An ESM project that depends on the package. */
  readonly folder: string
  /** The archive that npm would publish. */
  readonly archive: string
  /** Where the package is in it. */
  readonly place: string
  readonly files: readonly Packed[]
  /** Bytes of the archive, and of its files. */
  readonly size: number
  readonly unpackedSize: number
  /** With or without what the package does not bring itself: the frameworks, and their types. */
  setPeers(present: boolean): Promise<void>
  remove(): Promise<void>
}

const CHECKOUT = join(root, 'node_modules')

export async function install(): Promise<Installed> {
  const { folder, remove } = await temporaryFolder()
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root)
  const [{ filename, files, size, unpackedSize }] = JSON.parse(packed.out) as [
    { filename: string; files: Packed[]; size: number; unpackedSize: number },
  ]
  const modules = join(folder, 'node_modules')
  const place = join(modules, 'orthrus')
  await mkdir(place, { recursive: true })
  const unpacked = await run(
    'tar',
    ['-xzf', join(folder, filename), '--strip-components=1', '-C', place],
    folder,
  )
  if (unpacked.code !== 0) throw new Error(unpacked.err)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const { dependencies } = JSON.parse(await readFile(join(place, 'package.json'), 'utf8')) as {
    dependencies: object
  }
  const always = [...Object.keys(dependencies), '@types/node', 'undici-types']
  for (const name of always) await link(modules, name)
  const others = (await namesIn(CHECKOUT)).filter(name => !always.includes(name) && name !== '@types/ws')
  const setPeers = async (present: boolean): Promise<void> => {
    for (const name of others) await rm(join(modules, name), { force: true })
    if (present) for (const name of others) await link(modules, name)
  }
  return { folder, archive: join(folder, filename), place, files, size, unpackedSize, setPeers, remove }
}

/** The packages in a folder of modules, those of a scope one by one. */
async function namesIn(modules: string): Promise<string[]> {
  const names = (await readdir(modules)).filter(name => !name.startsWith('.'))
  const scoped = names.map(async name =>
    name.startsWith('@') ? (await readdir(join(modules, name))).map(inner => `${name}/${inner}`) : [name],
  )
  return (await Promise.all(scoped)).flat()
}

async function link(modules: string, name: string): Promise<void> {
  await mkdir(join(modules, name, '..'), { recursive: true })
  await symlink(join(CHECKOUT, name), join(modules, name))
}
