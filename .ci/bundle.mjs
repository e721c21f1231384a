import { dirname, relative } from 'node:path'
import { rolldown } from 'rolldown'
import { choosing } from './choices.mjs'
import { Chunks, pathOf } from './chunks.mjs'
import { portableEntries, programs, publishedEntries } from './entries.mjs'
import { PortableChunks } from './portable-chunks.mjs'

const URL_OF_MODULE = 'import.meta.url'

/** Folders of which every source is compiled, and published. */
export const PUBLISHED = ['cli', 'client', 'kdc', 'service', 'shared', 'testing']

/** What a program for browsers may import is under a folder of this name too, as it is for every platform but Node. */
const PORTABLE = 'portable'

/** What a client loads later, for the sake of pages, a service may load at once. */
const EXPECTED = new Set(['INEFFECTIVE_DYNAMIC_IMPORT'])

const COMMON = {
  // Packages stay imports, so that an update of one reaches whoever installs it.
  external: id => !/^[./#]/.test(id),
  transform: { target: 'node20' },
  // How long something takes says more of the machine than of the build, which would fail where there is much to do.
  checks: { bundlerTimings: false },
  onLog: (level, log) => {
    if (level === 'warn' && !EXPECTED.has(log.code)) throw new Error(`the bundler warns: ${log.message}`)
  },
}

const WRITTEN = {
  dir: 'dist',
  format: 'esm',
  comments: { legal: true, annotation: true, jsdoc: false },
  minifyInternalExports: false,
}

/**
 * Writes the JavaScript of dist/: the entries under their own names, and chunks of the modules behind them.
 * @returns the paths of all files in dist/
 */
export async function bundle(manifest) {
  return [
    ...(await bundleForNode(manifest)),
    ...(await bundlePortable(manifest)),
    ...(await bundleCommand(manifest)),
  ]
}

/** The command as it is installed: CommonJS, which Node starts sooner, and which loads the program when there is more to do. */
async function bundleCommand({ bin = {} }) {
  const paths = Object.values(bin).map(path => path.replace('./dist/', ''))
  for (const path of paths) {
    const input = path.replace(/\.cjs$/, '.cts')
    const build = await rolldown({ ...COMMON, input, platform: 'node', external: /orthrus\.js$/ })
    await build.write({ ...WRITTEN, dir: undefined, file: `dist/${path}`, format: 'cjs' })
    await build.close()
  }
  return paths
}

async function bundleForNode(manifest) {
  const entries = publishedEntries(manifest)
  const all = [...entries, ...programs()]
  const chunks = new Chunks(lateChoices(manifest))
  const build = await rolldown({
    ...COMMON,
    input: Object.fromEntries(all.map(path => [nameOf(path), `./${path}`])),
    platform: 'node',
    // Asked for by `includeDependenciesRecursively`. The tests of the package see that no entry exports more than its source.
    preserveEntrySignatures: 'allow-extension',
    plugins: [
      choosing('node', new Set(Object.keys(manifest.imports ?? {}))),
      { name: 'graph', moduleParsed: info => chunks.add(info.id, info) },
      ownPlaces,
    ],
  })
  const { output } = await build.write({
    ...WRITTEN,
    chunkFileNames: chunk => `${isPublished(chunk) ? 'chunks' : 'unpublished'}/[name].js`,
    codeSplitting: {
      // Each is placed as its own users ask.
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'parties', name: id => (all.includes(pathOf(id)) ? null : chunks.nameOf(id)) }],
    },
  })
  await build.close()
  return output.map(({ fileName }) => fileName)
}

async function bundlePortable(manifest) {
  const entries = portableEntries(manifest)
  if (entries.length === 0) return []
  const chunks = new PortableChunks(entries)
  const build = await rolldown({
    ...COMMON,
    input: Object.fromEntries(entries.map(path => [`${PORTABLE}/${nameOf(path)}`, `./${path}`])),
    platform: 'neutral',
    // Asked for by `includeDependenciesRecursively`, as above.
    preserveEntrySignatures: 'allow-extension',
    plugins: [choosing('portable'), { name: 'graph', moduleParsed: info => chunks.add(info.id, info) }],
  })
  const { output } = await build.write({
    ...WRITTEN,
    chunkFileNames: `${PORTABLE}/[name].js`,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ debugName: 'portable', name: id => chunks.nameOf(id) }],
    },
  })
  await build.close()
  return output.map(({ fileName }) => fileName)
}

function nameOf(path) {
  return path.replace(/\.ts$/, '')
}

function isPublished({ moduleIds }) {
  return moduleIds.every(id => PUBLISHED.includes(pathOf(id).split('/')[0]))
}

/**
 * A program of a checkout finds the files beside it by its own URL, and what several of them use is moved into a chunk: there
 * the URL is that of the place where it would have been.
 */
const ownPlaces = {
  name: 'own-places',
  transform(code, id) {
    if (isPublished({ moduleIds: [id] }) || !code.includes(URL_OF_MODULE)) return null
    return code.replaceAll(URL_OF_MODULE, `ORTHRUS_PLACE[${JSON.stringify(pathOf(id))}]`)
  },
  renderChunk(code, { fileName }) {
    const urlFor = place => relative(dirname(fileName), place.replace(/\.ts$/, '.js')).replaceAll('\\', '/')
    return code.replaceAll(
      /\bORTHRUS_PLACE\["([^"]+)"\]/g,
      (_, place) => `new URL("${urlFor(place)}", ${URL_OF_MODULE}).href`,
    )
  },
}

/** The sources that are chosen from when a program loads them, by the name of the choice. */
function lateChoices({ imports = {} }) {
  const paths = ([name, targets]) => [
    name,
    Object.values(targets).map(path => path.replace(/^\.\/dist\/(.*)\.js$/, '$1.ts')),
  ]
  return new Map(Object.entries(imports).map(paths))
}
