#!/usr/bin/env node
import { constants } from 'node:os'
import { codeOf } from '../shared/folder.node.js'
import { removeUnfinished } from '../shared/keytab/unfinished-files.node.js'
import { packageVersion } from '../shared/package-version.node.js'
import { EXIT } from './failure.js'

/** What shells add to the number of a signal. */
const ENDED_BY_SIGNAL = 128

let isLost = false

process.stdout.on('error', error => {
  // The reader of the output has closed it, so nothing more can be printed. This is not an error.
  if (codeOf(error) === 'EPIPE') return
  if (!isLost) process.stderr.write(`orthrus: standard output cannot be written: ${codeOf(error)}\n`)
  isLost = true
  // A command has done its work, and a KDC goes on.
  process.exitCode = EXIT.FAILED
})

// There is nowhere to say it.
process.stderr.on('error', () => {})

// Ctrl-C, the closing of the terminal, and `kill` end a command as they would without this, but leave nothing half written.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, end)

function end(signal: NodeJS.Signals): void {
  removeUnfinished()
  // A KDC ends in its own way.
  if (process.listenerCount(signal) > 1) return
  // The system does not: what is typed at the shell afterwards would not be shown.
  if (process.stdin.isTTY && process.stdin.isRaw) process.stdin.setRawMode(false)
  process.off(signal, end)
  process.kill(process.pid, signal)
  // The first process of a container gets no signal that it has no handler for, not even from itself.
  if (process.pid === 1) process.exit(ENDED_BY_SIGNAL + constants.signals[signal])
}

const [first, ...others] = process.argv.slice(2)
const code = await (others.length === 0 && (first === '--version' || first === '-V')
  ? sayVersion()
  : runCommand())
process.exitCode = isLost ? EXIT.FAILED : code

/** Scripts ask for nothing else at each of their starts. For this the parser of command lines is not loaded. */
function sayVersion(): number {
  process.stdout.write(`${packageVersion()}\n`)
  return EXIT.DONE
}

async function runCommand(): Promise<number> {
  const { run } = await import('./run.js')
  return run(process.argv.slice(2), {
    out: data => process.stdout.write(data),
    err: text => process.stderr.write(text),
    env: process.env,
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
  })
}
