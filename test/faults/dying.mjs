// Preloaded into a process: kills it with -9, or by ORTHRUS_DIE_BY, at one step of what it does. A step is a change to a file, a commit of the
// database (before and after it), a compaction, or bytes that it sends or has received; each kind is counted by itself, from
// the first bytes on, or from the start if it is a command that works in a folder. ORTHRUS_DIE_AT says at which step, as `rename 2`, and standard error then ends with it.
import { writeSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'

const dieAt = process.env.ORTHRUS_DIE_AT
const signal = process.env.ORTHRUS_DIE_BY ?? 'SIGKILL'
const steps = new Map()
const isInFolder = process.argv.includes('--data') && !process.argv.includes('kdc')
let hasBegun = isInFolder

/** @returns whether this is the step, for what can be done by half */
function isLast(kind) {
  if (hasBegun) steps.set(kind, (steps.get(kind) ?? 0) + 1)
  return `${kind} ${steps.get(kind)}` === dieAt
}

/** @returns what is never done, if the process lives on for a moment to handle the signal */
function die() {
  writeSync(2, `killed at: ${dieAt}\n`)
  process.kill(process.pid, signal)
  return new Promise(resolve => setTimeout(resolve, 60_000))
}

function watch(object, names, prefix = '') {
  for (const name of names) {
    const real = object[name]
    object[name] = function (...args) {
      return isLast(prefix + name) ? die() : real.apply(this, args)
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
    await die()
  }
  return writeFile.call(this, text, ...rest)
}
watch(files, ['write', 'sync', 'datasync', 'chmod', 'chown', 'truncate'], 'file ')
watch(fs, ['open', 'mkdir', 'rename', 'link', 'unlink', 'rmdir', 'rm', 'writeFile'])
syncBuiltinESMExports()

const isTcp = socket => socket.remotePort !== undefined
const send = Socket.prototype._writeGeneric
Socket.prototype._writeGeneric = function (...args) {
  if (isTcp(this)) {
    hasBegun = true
    if (isLast('send')) return die()
  }
  return send.apply(this, args)
}
Socket.prototype.push = function (chunk, encoding) {
  if (isTcp(this) && chunk !== null) {
    hasBegun = true
    if (isLast('receive')) return die()
  }
  return Readable.prototype.push.call(this, chunk, encoding)
}

if (isInFolder || process.argv.includes('kdc')) {
  const { ClassicLevel } = await import('classic-level')
  const batch = ClassicLevel.prototype._batch
  ClassicLevel.prototype._batch = async function (...args) {
    if (isLast('commit')) await die()
    await batch.apply(this, args)
    if (isLast('committed')) await die()
  }
  const compactRange = ClassicLevel.prototype.compactRange
  ClassicLevel.prototype.compactRange = async function (...args) {
    if (isLast('compaction')) await die()
    await compactRange.apply(this, args)
    if (isLast('compacted')) await die()
  }
}
