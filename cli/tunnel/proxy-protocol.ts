import { isIPv4, isIPv6 } from 'node:net'
import { concatBytes } from '../../shared/bytes.js'
import type { Principal } from '../../shared/principal.js'

/**
 * The header of the PROXY protocol, version 2, by which the server behind a tunnel learns who its client is. Types 0xE0 to
 * 0xEF are for applications: 0xE0 is the client's principal, 0xE1 the delegate that presents its ticket, both as text.
 */

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Version 2, on behalf of another. */
const COMMAND = 0x21
const FAMILY = { UNKNOWN: 0x00, TCP4: 0x11, TCP6: 0x21 } as const
export const PROXY_TLV = { CLIENT: 0xe0, VIA: 0xe1 } as const

/** An address of TCP, as sockets have it. Undefined parts are those of a Unix socket. */
export interface ProxiedAddress {
  readonly address: string | undefined
  readonly port: number | undefined
}

export interface Proxied {
  readonly client: Principal
  readonly via: Principal | undefined
  /** Where the other end of the tunnel is, and where this one was reached. */
  readonly from: ProxiedAddress
  readonly to: ProxiedAddress
}

export function proxyHeader({ client, via, from, to }: Proxied): Uint8Array {
  const [family, addresses] = addressBlock(from, to)
  const names = [tlv(PROXY_TLV.CLIENT, client), ...(via === undefined ? [] : [tlv(PROXY_TLV.VIA, via)])]
  const rest = concatBytes(addresses, ...names)
  return concatBytes(SIGNATURE, Uint8Array.of(COMMAND, family), uint16(rest.length), rest)
}

function addressBlock(
  from: ProxiedAddress,
  to: ProxiedAddress,
): readonly [family: number, bytes: Uint8Array] {
  if (from.port === undefined || to.port === undefined) return [FAMILY.UNKNOWN, new Uint8Array()]
  const [source, target] = [plain(from.address), plain(to.address)]
  const ports = [uint16(from.port), uint16(to.port)]
  if (isIPv4(source) && isIPv4(target)) {
    return [FAMILY.TCP4, concatBytes(ipv4(source), ipv4(target), ...ports)]
  }
  if (isIPv6(source) && isIPv6(target)) {
    return [FAMILY.TCP6, concatBytes(ipv6(source), ipv6(target), ...ports)]
  }
  return [FAMILY.UNKNOWN, new Uint8Array()]
}

/** A server of both families has addresses of the one as such of the other, and a zone is of its machine alone. */
function plain(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
}

function ipv4(address: string): Uint8Array {
  return Uint8Array.from(address.split('.').map(Number))
}

function ipv6(address: string): Uint8Array {
  const [before = '', after = ''] = address.split('::')
  const [head, tail] = [groups(before), groups(after)]
  const zeros = new Array<number>(8 - head.length - tail.length).fill(0)
  return concatBytes(...[...head, ...zeros, ...tail].map(uint16))
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = ipv4(group)
    return [a * 256 + b, c * 256 + d]
  })
}

function tlv(type: number, text: string): Uint8Array {
  const value = new TextEncoder().encode(text)
  return concatBytes(Uint8Array.of(type), uint16(value.length), value)
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}
