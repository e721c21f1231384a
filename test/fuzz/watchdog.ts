import { Worker } from 'node:worker_threads'

/**
 * Ends the process where an input never ends, and says which: a test that loops can be stopped by nothing inside its
 * own thread, and would otherwise only be seen not to come back.
 */

/** Processor time of the process within one input, milliseconds. */
const MOST = 5_000
const LOOKED_AFTER = 500
const INPUT_MOST = 256 * 1024

const WATCH = `
const { writeSync } = require('node:fs')
const { beats, input, most, lookedAfter } = require('node:worker_threads').workerData
let [last, since] = [-1, 0]
setInterval(() => {
  const beat = Atomics.load(beats, 0)
  const { user, system } = process.cpuUsage()
  const now = (user + system) / 1000
  if (beat !== last || beat % 2 === 0) [last, since] = [beat, now]
  else if (now - since > most) {
    const hex = Buffer.from(input.subarray(0, Math.min(400, beats[1]))).toString('hex')
    writeSync(2, 'fuzzing: an input of ' + beats[1] + ' bytes does not end: ' + hex + '\\n')
    process.kill(process.pid, 'SIGKILL')
  }
}, lookedAfter)
`

/** A number that is odd while an input is taken in, and the input's length. */
const beats = new Int32Array(new SharedArrayBuffer(8))
const current = new Uint8Array(new SharedArrayBuffer(INPUT_MOST))
let isWatched = false

/** From now on the input is watched. @returns what ends that */
export function watch(input: Uint8Array): () => void {
  if (!isWatched) startWatching()
  current.set(input.subarray(0, INPUT_MOST))
  beats[1] = input.length
  Atomics.add(beats, 0, 1)
  return () => void Atomics.add(beats, 0, 1)
}

function startWatching(): void {
  isWatched = true
  const workerData = { beats, input: current, most: MOST, lookedAfter: LOOKED_AFTER }
  new Worker(WATCH, { eval: true, workerData }).unref()
}
