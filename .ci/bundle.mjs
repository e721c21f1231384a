import { rolldown } from 'rolldown'
import { Chunks, pathOf } from './chunks.mjs'
import { programs, publishedEntries } from './entries.mjs'

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
    plugins: [{ name: 'graph', moduleParsed: info => chunks.add(info.id, info) }],
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

/** The sources that the platform chooses from, by the name of the choice. */
function choicesOf({ imports = {} }) {
  const paths = ([name, targets]) => [
    name,
    Object.values(targets).map(path => path.replace(/^\.\/dist\/(.*)\.js$/, '$1.ts')),
  ]
  return new Map(Object.entries(imports).map(paths))
}
