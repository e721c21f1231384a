#!/usr/bin/env node
import { codeOf } from '../shared/folder.node.js'
import { EXIT } from './failure.js'
import { run } from './run.js'

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

const code = await run(process.argv.slice(2), {
  out: data => process.stdout.write(data),
  err: text => process.stderr.write(text),
  env: process.env,
  outIsTerminal: process.stdout.isTTY === true,
})
process.exitCode = isLost ? EXIT.FAILED : code
