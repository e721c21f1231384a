import { describe, expect, it } from 'vitest'
import type { ServiceEvent } from '../../../service/report/events.js'
import { PeersWithoutTicket } from '../../../service/request/peers-without-ticket.js'
import { HOUR } from '../../../shared/time.js'
import { TestClock } from '../../support/clock.js'

/** What is remembered and logged of requests without a ticket, of which anybody can send any number. */

const FIELDS = { method: 'GET', path: '/' } as const

function start() {
  const clock = new TestClock()
  const lines: ServiceEvent[] = []
  const peers = new PeersWithoutTicket(clock, event => lines.push(event))
  peers.permit()
  return { clock, lines, peers }
}

describe('the count of requests without a ticket', () => {
  it('is by address, the latest first, and says nothing of a service whose gates are strict', () => {
    const { clock, peers } = start()
    peers.count('192.0.2.1', FIELDS)
    peers.count('::ffff:192.0.2.2', FIELDS)
    const at = clock.now()
    clock.advance(10)
    peers.count('192.0.2.1', FIELDS)
    peers.count(undefined, FIELDS)
    expect(peers.state).toEqual({
      requests: 4,
      peers: [
        { address: 'unknown', requests: 1, firstAt: at + 10, lastAt: at + 10 },
        { address: '192.0.2.1', requests: 2, firstAt: at, lastAt: at + 10 },
        { address: '192.0.2.2', requests: 1, firstAt: at, lastAt: at },
      ],
      forgotten: 0,
    })
    expect(new PeersWithoutTicket(clock, () => {}).state).toBeUndefined()
  })

  it('is logged once an hour for each address, with what came since it was first seen', () => {
    const { clock, lines, peers } = start()
    for (let i = 0; i < 500; i++) peers.count('192.0.2.1', FIELDS)
    expect(lines).toEqual([
      { kind: 'passed_without_ticket', from: '192.0.2.1', requests: 1, leftOut: 0, ...FIELDS },
    ])
    clock.advance(HOUR - 1)
    peers.count('192.0.2.1', FIELDS)
    expect(lines.length).toBe(1)
    clock.advance(1)
    peers.count('192.0.2.1', FIELDS)
    expect(lines.at(-1)).toMatchObject({ from: '192.0.2.1', requests: 502 })
  })

  it('has bounds: a thousand addresses, a hundred lines an hour, and the log says what it left out', () => {
    const { clock, lines, peers } = start()
    for (let i = 0; i < 1_500; i++) peers.count(`2001:db8::${i}`, FIELDS)
    expect(peers.state?.peers.length).toBe(1_000)
    expect(peers.state).toMatchObject({ requests: 1_500, forgotten: 500 })
    expect(lines.length).toBe(100)
    clock.advance(HOUR)
    peers.count('192.0.2.1', FIELDS)
    expect(lines.at(-1)).toMatchObject({ from: '192.0.2.1', leftOut: 1_400 })
    peers.count('x'.repeat(10_000), FIELDS)
    expect(peers.state?.peers[0]?.address.length).toBe(128)
  })
})
