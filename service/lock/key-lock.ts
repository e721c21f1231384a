import { basename } from 'node:path'
import { argv, pid } from 'node:process'
import { isMainThread, threadId } from 'node:worker_threads'
import { askHolder, holdName } from './named-socket.js'

/**
 * The lock of the machine for one key. Who keeps its replay cache to itself holds the key `alone`. Those that share one
 * hold it `shared`: each has one of a fixed number of places. Either holds its own name first and then looks for the
 * other kind, so that of two who begin together at most one goes on.
 */

export type Holding = 'alone' | 'shared'

/** How many processes of one machine can share a key. Who is to be alone asks at each place. */
const PLACES = 128

/** The longest name of a program in the answer to others, characters. */
const PROGRAM_MAX = 60

export interface KeyLock {
  release(): void
}

/** Another process has the key. */
export class KeyTaken {
  readonly holding: Holding
  /** As it says itself: anybody on the machine could have given the answer. */
  readonly holder: string

  constructor(holding: Holding, holder: string) {
    this.holding = holding
    this.holder = HOLDER.test(holder) ? holder : 'a process that does not answer'
  }
}

const HOLDER = /^process \d{1,10}(?:, thread \d{1,10})?(?: \([\x20-\x7e]{1,60}\))?$/

/** @throws the system's error if there can be no lock */
export function lockSocket(name: string, holding: Holding): Promise<KeyLock | KeyTaken> {
  return holding === 'alone' ? holdAlone(name) : holdShared(name)
}

async function holdAlone(name: string): Promise<KeyLock | KeyTaken> {
  const own = await hold(name)
  if (own === undefined) return new KeyTaken('alone', (await askHolder(name)) ?? '')
  const places = Array.from({ length: PLACES }, (_, i) => askHolder(place(name, i)))
  const holders = (await Promise.all(places)).filter(answer => answer !== undefined)
  const [holder] = holders
  if (holder === undefined) return own
  own.release()
  return new KeyTaken('shared', holder)
}

async function holdShared(name: string): Promise<KeyLock | KeyTaken> {
  const own = await takePlace(name)
  if (own === undefined) return new KeyTaken('shared', (await askHolder(place(name, 0))) ?? '')
  const holder = await askHolder(name)
  if (holder === undefined) return own
  own.release()
  return new KeyTaken('alone', holder)
}

async function takePlace(name: string): Promise<KeyLock | undefined> {
  for (let i = 0; i < PLACES; i++) {
    const own = await hold(place(name, i))
    if (own !== undefined) return own
  }
  return undefined
}

function place(name: string, number: number): string {
  return `${name}-${number}`
}

async function hold(name: string): Promise<KeyLock | undefined> {
  const server = await holdName(name, socket => socket.unref().end(ownName()))
  return server && { release: () => void server.close() }
}

/** Which process this is, for the error of another one. */
export function ownName(): string {
  const thread = isMainThread ? '' : `, thread ${threadId}`
  const program = basename(argv[1] ?? '').replace(/[^\x20-\x7e]/g, '?')
  return `process ${pid}${thread}${program === '' ? '' : ` (${program.slice(-PROGRAM_MAX)})`}`
}
