import { describe, expect, it } from 'vitest'
import { proxyHeader } from '../../../cli/tunnel/proxy-protocol.js'
import { type Principal, parsePrincipal } from '../../../shared/principal.js'
import { startTunnel, through } from './scene.js'

/** Headers of the PROXY protocol, version 2, as its specification writes them. */

const WEB = parsePrincipal('web@test.example')
const GATE = parsePrincipal('gate@test.example')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const SIGNATURE = '0d0a0d0a000d0a515549540a'
const tlv = (type: string, name: Principal): string =>
  `${type}${name.length.toString(16).padStart(4, '0')}${Buffer.from(name).toString('hex')}`
const at = (address: string | undefined, port: number | undefined) => ({ address, port })

describe('a header of the PROXY protocol', () => {
  it.each([
    ['IPv4', '10.0.0.5', '192.168.1.2', '11', '0a000005c0a80102'],
    ['IPv4 on a server of both', '::ffff:10.0.0.5', '::ffff:192.168.1.2', '11', '0a000005c0a80102'],
    ['IPv6', '2001:db8::5', '::1', '21', `20010db8${'0'.repeat(23)}5${'0'.repeat(31)}1`],
    ['IPv6 with a zone', 'fe80::1%eth0', 'fe80::2', '21', `fe80${'0'.repeat(27)}1fe80${'0'.repeat(27)}2`],
    ['IPv6 in full', '1:2:3:4:5:6:7:8', '::', '21', `00010002000300040005000600070008${'0'.repeat(32)}`],
  ])('has the addresses of %s', (_, from, to, family, addresses) => {
    const header = proxyHeader({ client: WEB, via: undefined, from: at(from, 40_000), to: at(to, 7_379) })
    const rest = `${addresses}9c401cd3${tlv('e0', WEB)}`
    const length = (rest.length / 2).toString(16).padStart(4, '0')
    expect(hex(header)).toBe(`${SIGNATURE}21${family}${length}${rest}`)
  })

  it('has none where there are none, as of a Unix socket, and names a delegate', () => {
    const nowhere = at(undefined, undefined)
    const names = `${tlv('e0', WEB)}${tlv('e1', GATE)}`
    const length = (names.length / 2).toString(16).padStart(4, '0')
    expect(hex(proxyHeader({ client: WEB, via: GATE, from: nowhere, to: nowhere }))).toBe(
      `${SIGNATURE}2100${length}${names}`,
    )
  })

  it('comes before everything else, in front of a server that asked for it', async () => {
    const scene = await startTunnel({ serving: { proxyProtocol: true } })
    const [near, far] = await through(scene)
    near.socket.write('PING')
    await expect.poll(() => far.text).toMatch(/PING$/)
    const { received } = far
    expect(hex(received.subarray(0, 14))).toBe(`${SIGNATURE}2111`)
    expect(hex(received.subarray(16, 24))).toBe('7f0000017f000001')
    expect(received.readUInt16BE(26)).toBe(scene.served)
    expect(received.subarray(28).toString('latin1')).toBe(`\xe0\0\x10${WEB}PING`)
  })
})
