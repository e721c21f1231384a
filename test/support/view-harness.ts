import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { SECURITY_HEADERS } from '../../cli/console/headers.js'
import { type Served, serveFiles } from './chromium.js'

/**
 * The views of the console over a realm that is in the page (`test/console/harness`), where a test can show what no KDC would
 * write: names of somebody who means harm, ten thousand principals, a log with a hole. Under the console's own policy.
 */

const root = fileURLToPath(new URL('../../', import.meta.url))

let building: Promise<Served> | undefined

/** @returns the origin; built once, served until the test ends */
export async function serveViews(): Promise<string> {
  building ??= buildViews()
  return await serveFiles(await building, SECURITY_HEADERS)
}

async function buildViews(): Promise<Served> {
  const { compilerOptions } = JSON.parse(readFileSync(`${root}tsconfig.json`, 'utf8')) as {
    compilerOptions: { paths: Record<string, [string]> }
  }
  const alias = Object.entries(compilerOptions.paths).map(([name, [path]]) => ({
    find: new RegExp(`^${name}$`),
    replacement: `${root}${path.replace(/^\.\//, '').replace(/\.node\.ts$/, '.ts')}`,
  }))
  const built = await build({
    configFile: false,
    root: `${root}test/console/harness`,
    logLevel: 'warn',
    resolve: { alias },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: { write: false, target: 'es2023', cssCodeSplit: false, modulePreload: false, minify: false },
  })
  if (Array.isArray(built) || !('output' in built)) throw new Error('it was not built once')
  const files = built.output.map(file => [
    `/${file.fileName}`,
    file.type === 'chunk' ? file.code : file.source,
  ])
  const served = Object.fromEntries(files)
  return { ...served, '/': served['/index.html'] }
}
