#!/usr/bin/env node
import { run } from './run.js'

// The reader of the output has closed it, so nothing more can be printed. This is not an error.
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
