import { Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'

/**
 * Which parts of the product's sources have run, as V8 counts them. Each time it is asked, its inspector reports the
 * functions in which something ran for the first time, and the blocks inside them that did not run.
 */

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

interface FunctionCoverage {
  readonly functionName: string
  readonly ranges: readonly Range[]
  readonly isBlockCoverage: boolean
}

/** Where a part of a function begins: the function's place, and the offset in it. */
export type Block = string

/** In the project's own folder, whatever the names of its parent folders. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SOURCE = /^((?:shared|kdc|service|client|cli)\/[^?]*\.(?:ts|js))$/

function sourceAt(url: string): string | undefined {
  const file = url.startsWith('file:') ? fileURLToPath(url) : url
  return file.startsWith(ROOT) ? SOURCE.exec(file.slice(ROOT.length))?.[1] : undefined
}

export class Coverage {
  readonly #session = new Session()
  /** For each function, by its place: which of its characters have run. */
  readonly #ran = new Map<string, Uint8Array>()
  /** The blocks that V8 distinguishes. */
  readonly #blocks = new Set<Block>()
  readonly #functions = new Set<string>()

  constructor() {
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  }

  /** What ran since the last look, and never before. */
  take(): Set<Block> {
    const fresh = new Set<Block>()
    for (const [place, now] of this.#look()) {
      const ran = this.#ran.get(place)
      if (ran === undefined) fresh.add(`${place} 0`)
      else addNew(place, ran, now, fresh)
      if (ran === undefined) this.#ran.set(place, now)
    }
    return fresh
  }

  /** How many blocks of functions have run, as far as V8 distinguishes them. */
  get blocks(): number {
    let count = 0
    for (const block of this.#blocks) {
      const [place = '', start] = block.split(' ')
      if (this.#ran.get(place)?.[Number(start)] === 1) count++
    }
    return count
  }

  /** `path#name` of each function that ran. */
  get functions(): ReadonlySet<string> {
    return this.#functions
  }

  stop(): void {
    this.#post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  /** For each function that ran since the last look, by its place: which of its characters did. */
  #look(): Map<string, Uint8Array> {
    const { result } = this.#post('Profiler.takePreciseCoverage') as {
      result: { url: string; functions: FunctionCoverage[] }[]
    }
    const looked = new Map<string, Uint8Array>()
    for (const { url, functions } of result) {
      const path = sourceAt(url)
      if (path === undefined) continue
      for (const each of functions) this.#read(path, each, looked)
    }
    return looked
  }

  #read(path: string, { ranges, functionName }: FunctionCoverage, looked: Map<string, Uint8Array>): void {
    const [whole, ...parts] = ranges
    if (whole === undefined || whole.count === 0) return
    const { startOffset, endOffset } = whole
    const place = `${path}:${startOffset}`
    const now = new Uint8Array(endOffset - startOffset).fill(1)
    this.#blocks.add(`${place} 0`)
    this.#functions.add(`${path}#${functionName}`)
    for (const part of parts) {
      const start = part.startOffset - startOffset
      this.#blocks.add(`${place} ${start}`)
      now.fill(part.count > 0 ? 1 : 0, start, part.endOffset - startOffset)
    }
    looked.set(place, now)
  }

  #post(method: string, params: object = {}): unknown {
    let answer: unknown
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw new Error(`the inspector refused ${method}: ${JSON.stringify(error)}`)
      answer = result
    })
    return answer
  }
}

function addNew(place: string, ran: Uint8Array, now: Uint8Array, fresh: Set<Block>): void {
  for (let at = 0; at < now.length; at++) {
    if (now[at] === 0 || ran[at] === 1) continue
    fresh.add(`${place} ${at}`)
    while (at < now.length && now[at] === 1 && ran[at] === 0) ran[at++] = 1
  }
}
