import { fromBase64url } from '../../shared/bytes.js'
import { TYPE } from '../../shared/constants.js'
import { decode, type Value } from '../../shared/encoding/encoding.js'
import type { PlainCaveat } from '../properties/model.js'
import type { Letter } from './service-host.js'

/** What messages show without a key, as plain values: read leniently, and checked by nobody. */

export interface LegView {
  /** The ticket as it stands there. */
  readonly ticket: Uint8Array
  readonly caveats: readonly PlainCaveat[]
}

export interface ApView {
  /** The AP-REQ, as a name for it. */
  readonly id: string
  readonly bytes: Uint8Array
  readonly own: LegView
  readonly delegated: (LegView & { readonly client: string }) | undefined
  /** The stamp. */
  readonly time: number
}

interface Question {
  readonly time: number
  readonly services: readonly string[]
  readonly lifetime: number
  readonly renew: boolean
}

export type KdcQuestion =
  | (Question & { readonly kind: 'login'; readonly client: string; readonly kvno: number })
  | (Question & {
      readonly kind: 'tgs'
      readonly tgt: Uint8Array
      readonly caveats: readonly PlainCaveat[]
      readonly caveatBytes: readonly Uint8Array[]
    })

/** Bytes, as a name for themselves. */
export function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

const MAC_BYTES = 32

export function bodyOf(bytes: Uint8Array): Value[] | undefined {
  try {
    return decode(bytes.subarray(2, bytes.length - MAC_BYTES))
  } catch {
    return undefined
  }
}

/** The message in `Authorization`; nothing if there is none. */
export function messageIn({ headers }: Letter): Uint8Array | undefined {
  const value = headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1]
  const text = value?.match(/^orthrus +(\S*)$/i)?.[1]
  try {
    return text === undefined ? undefined : fromBase64url(text)
  } catch {
    return undefined
  }
}

export function readAp(bytes: Uint8Array): ApView | undefined {
  const body = bodyOf(bytes)
  if (body?.length !== 6) return undefined
  const [ticket, caveats, time, , , delegated] = body
  const own = readLeg(ticket, caveats)
  if (own === undefined || typeof time !== 'number') return undefined
  const view = { id: nameOf(bytes), bytes, own, time }
  if (delegated === null) return { ...view, delegated: undefined }
  if (!Array.isArray(delegated)) return undefined
  const leg = readLeg(delegated[0], delegated[1])
  return leg && { ...view, delegated: { ...leg, client: String(delegated[2]) } }
}

function readLeg(ticket: Value | undefined, caveats: Value | undefined): LegView | undefined {
  if (!(ticket instanceof Uint8Array) || !Array.isArray(caveats)) return undefined
  return { ticket, caveats: caveats.map(readCaveat) }
}

/** A malformed caveat never holds. */
export function readCaveat(bytes: Value): PlainCaveat {
  try {
    return decode(bytes as Uint8Array) as PlainCaveat
  } catch {
    return ['no caveat']
  }
}

export function readQuestion(bytes: Uint8Array): KdcQuestion | undefined {
  const body = bodyOf(bytes)
  if (body?.length !== 7) return undefined
  const [first, second, time, , services, lifetime, options] = body
  if (!Array.isArray(services)) return undefined
  const question = {
    time: Number(time),
    services: services.map(String),
    lifetime: Number(lifetime),
    renew: options === 1,
  }
  if (bytes[1] === TYPE.AS_REQ) {
    return { kind: 'login', client: String(first), kvno: Number(second), ...question }
  }
  if (bytes[1] !== TYPE.TGS_REQ || !(first instanceof Uint8Array) || !Array.isArray(second)) return undefined
  const caveatBytes = second as Uint8Array[]
  return { kind: 'tgs', tgt: first, caveats: caveatBytes.map(readCaveat), caveatBytes, ...question }
}
