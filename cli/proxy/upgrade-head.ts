import type { HeaderPair } from './header-rules.js'

/**
 * The first message of each side of a channel between the two ends of a proxy, which carries a WebSocket
 * (docs/unchanged-programs.md, "WebSockets"): JSON in UTF-8. After it go the bytes of the connection, or of a refusal.
 */

/** What the program behind answered to the upgrade. */
export interface UpgradeAnswer {
  /** 101, or that of a refusal. */
  readonly status: number
  readonly headers: readonly HeaderPair[]
}

export function encodeUpgrade(headers: readonly HeaderPair[]): Uint8Array {
  return Buffer.from(JSON.stringify({ upgrade: 'websocket', headers }))
}

/** @returns the headers of the upgrade; `undefined` if it is none */
export function decodeUpgrade(message: Uint8Array): readonly HeaderPair[] | undefined {
  const { upgrade, headers } = fieldsOf(message)
  return upgrade === 'websocket' && areHeaders(headers) ? headers : undefined
}

export function encodeUpgradeAnswer({ status, headers }: UpgradeAnswer): Uint8Array {
  return Buffer.from(JSON.stringify({ status, headers }))
}

/** @returns `undefined` if it is none */
export function decodeUpgradeAnswer(message: Uint8Array): UpgradeAnswer | undefined {
  const { status, headers } = fieldsOf(message)
  if (typeof status !== 'number' || !(status === 101 || (status >= 200 && status <= 599))) return undefined
  return Number.isInteger(status) && areHeaders(headers) ? { status, headers } : undefined
}

/** More than a server keeps by itself, and less than would take long. */
const HEADERS_MAX = 1_000

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/i
/** No line can end in it. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

function areHeaders(headers: unknown): headers is readonly HeaderPair[] {
  return Array.isArray(headers) && headers.length <= HEADERS_MAX && headers.every(isHeader)
}

function isHeader(pair: unknown): pair is HeaderPair {
  if (!Array.isArray(pair) || pair.length !== 2) return false
  const [name, value] = pair
  return typeof name === 'string' && NAME.test(name) && typeof value === 'string' && VALUE.test(value)
}

/** Of an object; none of anything else. */
function fieldsOf(message: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(message))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
