import { readFileSync } from 'node:fs'

/** The version of the package, as `0.1.0`. */
export function packageVersion(): string {
  // Two folders up in the package (dist/shared), one in the sources.
  for (const up of ['../../package.json', '../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // the other place
    }
  }
  return 'unknown'
}
