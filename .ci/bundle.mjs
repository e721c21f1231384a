import { dirname, relative } from 'node:path'
import { rolldown } from 'rolldown'
import { Chunks, pathOf } from './chunks.mjs'
import { programs, publishedEntries } from './entries.mjs'

const URL_OF_MODULE = 'import.meta.url'

/** Folders of which every source is compiled, and published. */
export const PUBLISHED = ['cli', 'client', 'kdc', 'service', 'shared', 'testing']

/**
 * Writes the JavaScript of dist/: the entries under their own names, and chunks of the modules behind them. Packages stay
 * imports, so that an update of one reaches whoever installs it, and so do the choices of the platform (`#name`).
 * @returns the paths of all files in dist/
 */
export async function bundle(manifest) {
  const entries = publishedEntries(manifest)
  const all = [...entries, ...programs()]
  const chunks = new Chunks(choicesOf(manifest))
  const build = await rolldown({
    input: Object.fromEntries(all.map(path => [path.replace(/\.ts$/, ''), `./${path}`])),
    platform: 'node',
    external: id => !/^[./]/.test(id),
    transform: { target: 'node20' },
    // Asked for by `includeDependenciesRecursively`. The tests of the package see that no entry exports more than its source.
    preserveEntrySignatures: 'allow-extension',
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(`the bundler warns: ${log.message}`)
    },
    plugins: [{ name: 'graph', moduleParsed: info => chunks.add(info.id, info) }, ownPlaces],
  })
  const { output } = await build.write({
    dir: 'dist',
    format: 'esm',
    comments: { legal: true, annotation: true, jsdoc: false },
    minifyInternalExports: false,
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

/** The sources that the platform chooses from, by the name of the choice. */
function choicesOf({ imports = {} }) {
  const paths = ([name, targets]) => [
    name,
    Object.values(targets).map(path => path.replace(/^\.\/dist\/(.*)\.js$/, '$1.ts')),
  ]
  return new Map(Object.entries(imports).map(paths))
}
