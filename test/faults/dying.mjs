// Preloaded into a process: kills it with -9, or by ORTHRUS_DIE_BY, at one step of what it does. A step is a change to a file, a commit of the
// database (before and after it), or bytes that it sends or has received; they are counted from the first bytes on.
// ORTHRUS_DIE_AT says at which step, from 1. Standard error then ends with what the step was.
import { writeSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'

const dieAt = Number(process.env.ORTHRUS_DIE_AT)
const signal = process.env.ORTHRUS_DIE_BY ?? 'SIGKILL'
let steps = 0
let hasBegun = false

/** @returns whether this is the step, for what can be done by half */
function isLast() {
  if (hasBegun) steps += 1
  return hasBegun && steps === dieAt
}

/** @returns what is never done, if the process lives on for a moment to handle the signal */
function die(name) {
  writeSync(2, `killed at step ${steps}: ${name}\n`)
  process.kill(process.pid, signal)
  return new Promise(resolve => setTimeout(resolve, 60_000))
}

function watch(object, names, prefix = '') {
  for (const name of names) {
    const real = object[name]
    object[name] = function (...args) {
      return isLast() ? die(prefix + name) : real.apply(this, args)
    }
  }
}

const handle = await fs.open(new URL(import.meta.url))
const files = Object.getPrototypeOf(handle)
await handle.close()
const writeFile = files.writeFile
files.writeFile = async function (text, ...rest) {
  if (isLast()) {
    await writeFile.call(this, text.slice(0, text.length / 2), ...rest)
    await die('half of a write')
  }
  return writeFile.call(this, text, ...rest)
}
watch(files, ['write', 'sync', 'chmod', 'chown', 'truncate'], 'file ')
watch(fs, ['open', 'mkdir', 'rename', 'link', 'unlink', 'rmdir', 'rm', 'writeFile'])
syncBuiltinESMExports()

const isTcp = socket => socket.remotePort !== undefined
const send = Socket.prototype._writeGeneric
Socket.prototype._writeGeneric = function (...args) {
  if (isTcp(this)) {
    hasBegun = true
    if (isLast()) return die('send')
  }
  return send.apply(this, args)
}
Socket.prototype.push = function (chunk, encoding) {
  if (isTcp(this) && chunk !== null) {
    hasBegun = true
    if (isLast()) return die('receive')
  }
  return Readable.prototype.push.call(this, chunk, encoding)
}

if (process.argv.includes('kdc')) {
  const { ClassicLevel } = await import('classic-level')
  const batch = ClassicLevel.prototype._batch
  ClassicLevel.prototype._batch = async function (...args) {
    if (isLast()) await die('commit')
    await batch.apply(this, args)
    if (isLast()) await die('committed')
  }
}
