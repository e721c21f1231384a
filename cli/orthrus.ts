#!/usr/bin/env node
import { run } from './run.js'

// Whoever read the output has gone: there is nobody left to tell.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', error => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  })
}

process.exitCode = await run(process.argv.slice(2), {
  out: data => process.stdout.write(data),
  err: text => process.stderr.write(text),
  env: process.env,
  outIsTerminal: process.stdout.isTTY === true,
})
