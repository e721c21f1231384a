import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Inputs worth keeping: each reached a part of the code that none before it did. There is one file for each entry and
 * one input in each line, in base64url, so that a change shows as lines that were added and removed.
 */

const folder = new URL('./corpus/', import.meta.url)
const INPUTS_MOST = 40
const BYTES_MOST = 12 * 1024

function fileOf(name: string): URL {
  return new URL(fileNameOf(name), folder)
}

function fileNameOf(name: string): string {
  return `${name.replaceAll(/[^A-Za-z0-9]+/g, '-').toLowerCase()}.txt`
}

/**
 * Saves an input that is too long to be printed, as a line that can be put into the corpus.
 * @returns the file it is in
 */
export function setAside(name: string, input: Uint8Array): string {
  const digest = createHash('sha256').update(input).digest('hex').slice(0, 8)
  const file = join(tmpdir(), `orthrus-fuzz-${digest}-${fileNameOf(name)}`)
  writeFileSync(file, `${Buffer.from(input).toString('base64url')}\n`)
  return file
}

export function readCorpus(name: string): Uint8Array[] {
  const file = fileOf(name)
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map(line => new Uint8Array(Buffer.from(line, 'base64url')))
}

/** The shorter ones, as many as there is room for. */
export function writeCorpus(name: string, inputs: readonly Uint8Array[]): void {
  rmSync(fileOf(name), { force: true })
  if (inputs.length === 0) return
  const lines = [...new Set(inputs.map(input => Buffer.from(input).toString('base64url')))]
  lines.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  let room = BYTES_MOST
  const kept = lines.slice(0, INPUTS_MOST).filter(line => {
    room -= line.length + 1
    return room >= 0
  })
  mkdirSync(folder, { recursive: true })
  writeFileSync(fileOf(name), kept.map(line => `${line}\n`).join(''))
}
