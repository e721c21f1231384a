// Preloaded into a process: kills it with -9 at one step of what it does. A step is a change to a file, a commit of the
// database (before and after it), or bytes that it sends or has received; they are counted from the first bytes on.
// ORTHRUS_DIE_AT says at which step, from 1. Standard error then ends with what the step was.
import { writeSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'

const dieAt = Number(process.env.ORTHRUS_DIE_AT)
let steps = 0
let hasBegun = false

/** @returns whether this is the step, for what can be done by half */
function isLast(name) {
  if (hasBegun) steps += 1
  return hasBegun && steps === dieAt && name
}

function die(name) {
  writeSync(2, `killed at step ${steps}: ${name}\n`)
  process.kill(process.pid, 'SIGKILL')
}

function step(name) {
  if (isLast(name)) die(name)
}

function watch(object, names, prefix = '') {
  for (const name of names) {
    const real = object[name]
    object[name] = function (...args) {
      step(prefix + name)
      return real.apply(this, args)
    }
  }
}

const handle = await fs.open(new URL(import.meta.url))
const files = Object.getPrototypeOf(handle)
await handle.close()
const writeFile = files.writeFile
files.writeFile = async function (text, ...rest) {
  if (isLast('half of a write')) {
    await writeFile.call(this, text.slice(0, text.length / 2), ...rest)
    die('half of a write')
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
    step('send')
  }
  return send.apply(this, args)
}
Socket.prototype.push = function (chunk, encoding) {
  if (isTcp(this) && chunk !== null) {
    hasBegun = true
    step('receive')
  }
  return Readable.prototype.push.call(this, chunk, encoding)
}

if (process.argv.includes('kdc')) {
  const { ClassicLevel } = await import('classic-level')
  const batch = ClassicLevel.prototype._batch
  ClassicLevel.prototype._batch = async function (...args) {
    step('commit')
    await batch.apply(this, args)
    step('committed')
  }
}
