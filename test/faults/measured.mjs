// Preloaded into a watched process: on SIGUSR2 it collects its garbage and prints to standard error what is left.
import { readdirSync, writeSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

process.on('SIGUSR2', () => {
  collect()
  // What only finalizers release is gone one turn later.
  setImmediate(() => {
    collect()
    const { rss, heapUsed, external } = process.memoryUsage()
    const descriptors = readdirSync('/proc/self/fd').length
    writeSync(2, `${JSON.stringify({ measured: { rss, heapUsed, external, descriptors } })}\n`)
  })
})
