import { build } from 'vite'
import { choosing } from './choices.mjs'
import { PortableChunks } from './portable-chunks.mjs'

/**
 * Bundles the page of the console into dist/console/: its own sources and those of the client, Preact and what else it
 * uses, so that a browser asks nobody but the KDC. Names carry the hash of what is in the file, which may be kept for ever.
 * @returns the paths of its files in dist/
 */
export async function bundleConsole() {
  const chunks = new PortableChunks(['console/main.tsx'])
  const output = await build({
    configFile: false,
    root: 'console',
    base: './',
    logLevel: 'warn',
    // Before Vite's own, which looks for `#name` in package.json.
    plugins: [
      { ...choosing('portable'), enforce: 'pre' },
      { name: 'graph', moduleParsed: info => chunks.add(info.id, info) },
    ],
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: '../dist/console',
      // The build removes what is stale by itself. Whoever serves this folder meanwhile goes on.
      emptyOutDir: false,
      target: 'es2023',
      // A file of its own for each asset: `data:` is not allowed to the page.
      assetsInlineLimit: 0,
      cssCodeSplit: false,
      modulePreload: false,
      reportCompressedSize: false,
      rolldownOptions: {
        output: {
          // One file of what it loads at once: of many that are small a tenth more is sent.
          codeSplitting: {
            includeDependenciesRecursively: false,
            groups: [{ debugName: 'page', name: id => chunks.nameOf(id) }],
          },
        },
      },
      license: { fileName: 'licences.md' },
    },
  })
  return output.output.map(({ fileName }) => `console/${fileName}`)
}
