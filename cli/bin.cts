#!/usr/bin/env node

/**
 * The command as npm installs it. It answers `--version` by itself: scripts ask for that at each of their starts, and Node
 * takes longer to load its loader of ESM than to read and print a line. Everything else is the program beside it.
 */

if (!saysVersion(process.argv.slice(2))) void import('./orthrus.js')

/** @returns whether it did. What cannot be printed so, or read, the program tells in its own way. */
function saysVersion([flag, ...others]: readonly string[]): boolean {
  if (others.length > 0 || (flag !== '--version' && flag !== '-V')) return false
  try {
    const { readFileSync, writeSync } = process.getBuiltinModule('node:fs')
    const manifest = JSON.parse(readFileSync(`${__dirname}/../../package.json`, 'utf8')) as { version: string }
    writeSync(1, `${manifest.version}\n`)
    return true
  } catch {
    return false
  }
}
