import { readFileSync } from 'node:fs'

/** The version of the package; `unknown` if it cannot be found out. */
export function version(): string {
  // Two folders up in the package (dist/cli), one in the sources.
  for (const up of ['../../package.json', '../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // the other place
    }
  }
  return 'unknown'
}
