import { describe, expect, it } from 'vitest'
import { type ConnectionShare, ConnectionShares } from '../../../kdc/transport/connection-shares.js'
import { local } from '../../support/realm.js'

const LIMITS = { connections: 64, connectionsPerAddress: 8, connectionsPerClient: 8 }

interface Opened {
  readonly address: string
  readonly share: ConnectionShare | undefined
  reason?: string
}

function scene(limits: Partial<typeof LIMITS> = {}) {
  const shares = new ConnectionShares({ ...LIMITS, ...limits })
  const all: Opened[] = []
  const open = (address: string): Opened => {
    const opened: { address: string; share?: ConnectionShare | undefined; reason?: string } = { address }
    opened.share = shares.take(address, reason => {
      opened.reason = reason
    })
    all.push(opened as Opened)
    return opened as Opened
  }
  const many = (address: string, count: number, client?: string): Opened[] =>
    Array.from({ length: count }, () => {
      const opened = open(address)
      if (client !== undefined) opened.share?.prove(local(client))
      return opened
    })
  const isOpen = ({ share, reason }: Opened): boolean => share !== undefined && reason === undefined
  const openFrom = (address: string): number =>
    all.filter(each => each.address === address && isOpen(each)).length
  return { shares, open, many, isOpen, openFrom, opened: () => all.filter(isOpen).length }
}

describe('the shares of connections', () => {
  it('of eight addresses that fill them all leave a newcomer its place, and the next ones too', () => {
    const { open, many, isOpen, openFrom, opened } = scene()
    for (let i = 0; i < 8; i++) many(`10.0.0.${i}`, 8)
    const newcomers = Array.from({ length: 30 }, (_, i) => open(`192.0.2.${i}`))
    for (let i = 0; i < 8; i++) many(`10.0.0.${i}`, 20)
    expect(newcomers.every(isOpen)).toBe(true)
    expect(opened()).toBe(64)
    // Each of the eight has about its fair share, 4, of what the newcomers leave.
    for (let i = 0; i < 8; i++) expect(openFrom(`10.0.0.${i}`)).toBeLessThanOrEqual(6)
  })

  it('take the oldest of the most crowded address, and say so', () => {
    const { open, many, isOpen } = scene({ connections: 4 })
    const [oldest, ...others] = many('10.0.0.1', 3)
    const other = open('10.0.0.2')
    open('10.0.0.3')
    expect(oldest?.reason).toBe('closed to make room for another address')
    expect([...others, other].every(isOpen)).toBe(true)
  })

  it('take an IPv6 site as one, however many networks it has', () => {
    const { open, many, isOpen } = scene({ connections: 40 })
    for (let i = 0; i < 100; i++) open(`2001:db8:1:${i.toString(16)}00::/64`)
    const people = many('192.0.2.1', 3)
    for (let i = 0; i < 100; i++) open(`2001:db8:1:${i.toString(16)}01::/64`)
    for (let i = 0; i < 100; i++) open(`2001:db8:2:${i.toString(16)}00::/64`)
    expect(people.every(isOpen)).toBe(true)
  })

  it('let strangers push out no client', () => {
    const { open, many, isOpen } = scene()
    const clients = many('10.0.0.1', 8, 'web')
    for (let i = 0; i < 200; i++) open(`10.1.0.${i}`)
    expect(clients.every(isOpen)).toBe(true)
  })

  it('of clients that hold all they can leave room for those yet to prove a key, and for one more client', () => {
    const { open, many, isOpen } = scene()
    const crowd = Array.from({ length: 10 }, (_, i) => many(`10.0.0.${i}`, 8, `c${i}`)).flat()
    expect(crowd.filter(isOpen).length).toBeLessThanOrEqual(64)
    const stranger = open('192.0.2.1')
    const client = open('192.0.2.2')
    client.share?.prove(local('web'))
    for (let i = 0; i < 200; i++) open(`10.1.0.${i}`)
    expect(isOpen(client)).toBe(true)
    expect(isOpen(stranger)).toBe(false)
    expect(crowd.filter(isOpen)).toHaveLength(47)
    expect(crowd.map(({ reason }) => reason)).toContain('closed to make room for another client')
  })

  it('let no two clients take the place from each other without end', () => {
    const { open, isOpen } = scene({ connections: 8 })
    const clients = Array.from({ length: 20 }, (_, i) => {
      const opened = open(`10.0.0.${i}`)
      opened.share?.prove(local(`c${i}`))
      return opened
    })
    expect(clients.slice(0, 6).every(isOpen)).toBe(true)
    // When one goes, a connection that had to wait is a client's with its next request.
    clients[0]?.share?.release()
    clients[19]?.share?.prove(local('c19'))
    for (let i = 0; i < 20; i++) open('10.2.0.1')
    expect(isOpen(clients[19] as Opened)).toBe(true)
  })

  it('count a connection from a proxy for the address that it tells, and close it before that where all is full', () => {
    const { shares, open, isOpen } = scene({ connections: 4, connectionsPerAddress: 2 })
    const reasons: string[] = []
    const cut = (reason: string): void => void reasons.push(reason)
    const located = [0, 1, 2].map(() => shares.takeUnlocated('10.0.0.1', cut))
    for (const share of located) share?.locate('192.0.2.1', cut)
    expect(reasons).toEqual(['closed to make room for another of its address'])
    for (let i = 0; i < 2; i++) shares.takeUnlocated('10.0.0.1', cut)
    const people = [open('192.0.2.2'), open('192.0.2.3')]
    expect(reasons.slice(1)).toEqual(Array(2).fill('closed to make room for another address'))
    for (let i = 0; i < 5; i++) shares.takeUnlocated('10.0.0.1', cut)
    expect(people.every(isOpen)).toBe(true)
  })

  it('refuse a newcomer only where every connection is a client’s', () => {
    const { open, many } = scene({ connections: 1 })
    many('10.0.0.1', 1, 'web')
    expect(open('10.0.0.2').share).toBeUndefined()
  })
})
