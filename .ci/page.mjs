import { build } from 'vite'

/**
 * Bundles the page of examples/page as its readers do, by Vite without a word of configuration but where it is to be: it takes
 * `orthrus/client` of what was built before.
 * @returns the paths of its files in dist/
 */
export async function bundlePage() {
  const { output } = await build({
    configFile: false,
    root: 'examples/page/web',
    logLevel: 'warn',
    build: { outDir: '../../../dist/examples/page/web', emptyOutDir: false },
  })
  return output.map(({ fileName }) => `examples/page/web/${fileName}`)
}
