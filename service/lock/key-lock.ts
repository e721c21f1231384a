import { basename } from 'node:path'
import { askHolder, holdName } from './named-socket.js'

/**
 * The lock of the machine for one key. A process that keeps its replay cache to itself holds the key `alone`. Those that
 * share the cache of the machine hold it as `machine`, and those that share another one as `shared`: each has one of a
 * fixed number of places of its kind. Each process holds its own name first and then looks for the other kinds, so that
 * of two that begin together and are of two kinds at most one goes on.
 */

export type Holding = 'alone' | Sharing
type Sharing = 'machine' | 'shared'

/** How many processes of one machine can share a key. Each of the other kinds is asked for at each place. */
const PLACES = 128
/** What stands in the name of a place before its number. */
const PLACE_OF = { machine: 'm', shared: '' } as const

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
  return holding === 'alone' ? holdAlone(name) : holdShared(name, holding)
}

async function holdAlone(name: string): Promise<KeyLock | KeyTaken> {
  const own = await hold(name)
  if (own === undefined) return new KeyTaken('alone', (await askHolder(name)) ?? '')
  const others = await Promise.all([lookFor(name, 'machine'), lookFor(name, 'shared')])
  return unless(own, others)
}

async function holdShared(name: string, holding: Sharing): Promise<KeyLock | KeyTaken> {
  const own = await takePlace(name, holding)
  if (own === undefined) return new KeyTaken(holding, (await askHolder(place(name, holding, 0))) ?? '')
  const holder = await askHolder(name)
  const alone = holder === undefined ? undefined : new KeyTaken('alone', holder)
  return unless(own, [alone, await lookFor(name, holding === 'machine' ? 'shared' : 'machine')])
}

/** Gives it up if there is another. */
function unless(own: KeyLock, others: readonly (KeyTaken | undefined)[]): KeyLock | KeyTaken {
  const other = others.find(taken => taken !== undefined)
  if (other === undefined) return own
  own.release()
  return other
}

/** A process that shares the key in this way, if there is one. */
async function lookFor(name: string, holding: Sharing): Promise<KeyTaken | undefined> {
  const places = Array.from({ length: PLACES }, (_, i) => askHolder(place(name, holding, i)))
  const holder = (await Promise.all(places)).find(answer => answer !== undefined)
  return holder === undefined ? undefined : new KeyTaken(holding, holder)
}

/** All that hold the name, in whichever way. */
export async function holdersOf(name: string): Promise<readonly string[]> {
  const places = Array.from({ length: PLACES }, (_, i) => i)
  const names = [name, ...places.flatMap(i => [place(name, 'machine', i), place(name, 'shared', i)])]
  const answers = await Promise.all(names.map(askHolder))
  return answers.filter(answer => answer !== undefined).map(answer => new KeyTaken('alone', answer).holder)
}

async function takePlace(name: string, holding: Sharing): Promise<KeyLock | undefined> {
  for (let i = 0; i < PLACES; i++) {
    const own = await hold(place(name, holding, i))
    if (own !== undefined) return own
  }
  return undefined
}

function place(name: string, holding: Sharing, number: number): string {
  return `${name}-${PLACE_OF[holding]}${number}`
}

async function hold(name: string): Promise<KeyLock | undefined> {
  const server = await holdName(name, socket => socket.unref().end(ownName()))
  return server && { release: () => void server.close() }
}

/** Which process this is, for the error of another one. */
export function ownName(): string {
  // To import it takes a start longer than all else of this module.
  const { isMainThread, threadId } = process.getBuiltinModule('node:worker_threads')
  const thread = isMainThread ? '' : `, thread ${threadId}`
  const program = basename(process.argv[1] ?? '').replace(/[^\x20-\x7e]/g, '?')
  return `process ${process.pid}${thread}${program === '' ? '' : ` (${program.slice(-PROGRAM_MAX)})`}`
}
