import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

/**
 * Ends the process where an input never ends, and says which: a test that loops can be stopped by nothing inside its
 * own thread, and would otherwise only be seen not to come back. An input that waits for what never comes is told too,
 * and left to the runner, which ends it in its time.
 */

/** Processor time of the process within one input, milliseconds. */
const MOST = 5_000
/** Time on the wall within one input, milliseconds. */
const WAITED_MOST = 20_000
const LOOKED_AFTER = 500
const INPUT_MOST = 256 * 1024
const NAME_MOST = 1024

const WATCH = `
const { writeFileSync, writeSync } = require('node:fs')
const { beats, input, name, file, most, waitedMost, lookedAfter } = require('node:worker_threads').workerData
const cost = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const tell = what => {
  writeFileSync(file, Buffer.from(input.subarray(0, beats[1])).toString('base64url') + '\\n')
  const run = Buffer.from(name.subarray(0, beats[2])).toString()
  writeSync(2, 'fuzzing ' + run + ': an input of ' + beats[1] + ' bytes ' + what + ': it is in ' + file + '\\n')
}
let [last, since, begun, isTold] = [-1, 0, 0, false]
setInterval(() => {
  const beat = Atomics.load(beats, 0)
  if (beat !== last || beat % 2 === 0) [last, since, begun, isTold] = [beat, cost(), Date.now(), false]
  else if (cost() - since > most) {
    tell('does not end')
    process.kill(process.pid, 'SIGKILL')
  } else if (!isTold && Date.now() - begun > waitedMost) {
    isTold = true
    tell('waits for what does not come')
  }
}, lookedAfter)
`

/** A number that is odd while an input is taken in, the input's length, and that of what names the run. */
const beats = new Int32Array(new SharedArrayBuffer(12))
const current = new Uint8Array(new SharedArrayBuffer(INPUT_MOST))
const name = new Uint8Array(new SharedArrayBuffer(NAME_MOST))
let isWatched = false

/** What is watched from now on: what names the run, and repeats it. */
export function watchRun(run: string): void {
  const { written } = new TextEncoder().encodeInto(run, name)
  beats[2] = written
}

/** From now on the input is watched. @returns what ends that */
export function watch(input: Uint8Array): () => void {
  if (!isWatched) startWatching()
  current.set(input.subarray(0, INPUT_MOST))
  beats[1] = Math.min(input.length, INPUT_MOST)
  Atomics.add(beats, 0, 1)
  return () => void Atomics.add(beats, 0, 1)
}

function startWatching(): void {
  isWatched = true
  const workerData = {
    ...{ beats, input: current, name, file: join(tmpdir(), `orthrus-fuzz-${process.pid}.txt`) },
    ...{ most: MOST, waitedMost: WAITED_MOST, lookedAfter: LOOKED_AFTER },
  }
  new Worker(WATCH, { eval: true, workerData }).unref()
}
