import { readFile, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'

export interface Bundle {
  readonly path: string
  /** As `import()` takes it. */
  readonly file: string
  readonly code: string
}

/** Bundles what stands in a file of the folder, or the text that is given, into one file. */
export async function bundleFor(
  platform: 'browser' | 'node',
  folder: string,
  entry: string,
  format: 'esm' | 'cjs' = 'esm',
): Promise<Bundle> {
  const input = isAbsolute(entry) ? entry : join(folder, 'entry.mjs')
  if (input !== entry) await writeFile(input, entry)
  const path = join(folder, `bundle-for-${platform}.${format === 'esm' ? 'mjs' : 'cjs'}`)
  const warnings: string[] = []
  const bundle = await rolldown({
    input,
    platform,
    cwd: folder,
    // Its compiled part lies beside its sources, and cannot be in a bundle.
    external: platform === 'node' ? ['level'] : [],
    onLog: (level, { message }) => {
      if (level === 'warn') warnings.push(message)
    },
  })
  await bundle.write({ file: path, format, codeSplitting: false, minify: platform === 'browser' })
  await bundle.close()
  if (warnings.length > 0) throw new Error(warnings.join('\n'))
  return { path, file: pathToFileURL(path).href, code: await readFile(path, 'utf8') }
}
