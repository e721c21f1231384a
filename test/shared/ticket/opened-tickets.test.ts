import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { keepPresented, openPresented } from '../../../shared/accept/presented-ticket.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { type Caveat, decodeCaveat, encodeCaveat } from '../../../shared/ticket/caveats.js'
import type { Claims } from '../../../shared/ticket/claims.js'
import { OpenedTickets } from '../../../shared/ticket/opened-tickets.js'
import {
  decodeTicket,
  type SealedTicket,
  sealTicket,
  type TicketContent,
} from '../../../shared/ticket/ticket.js'
import { ticketContent } from '../../support/ticket-content.js'

/** The memory of opened tickets: what is found again, under which key and until when, and how much there is of it. */

const ORDERS = parsePrincipal('orders@demo.example')
const NOW = 1_800_000_000_000
const END = NOW + 1_000
const key = new LongTermKey(new Uint8Array(32).fill(1))
const invalid = expect.objectContaining({ code: 'ticket_invalid' })

/** A ticket with this many bytes of text in a claim. */
function ticket(
  text = 0,
  endTime = END,
  content: Partial<Pick<TicketContent, 'claims' | 'caveats'>> = {},
): SealedTicket {
  const claims = text === 0 ? [] : [['text', 'x'.repeat(text)] as const]
  return sealTicket(ORDERS, 1, key, ticketContent(NOW, endTime, { claims, ...content }), systemRandom)
}

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** What the runner itself may keep while a test measures, bytes. */
const RUNNER_BYTES = 256 * 1024

/** Bytes that are reachable. */
function heapUsed(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The same bytes in other memory, as the next request brings them. */
const again = ({ bytes }: SealedTicket): SealedTicket => decodeTicket(bytes.slice())

describe('an opened ticket', () => {
  it('is found again by its bytes, whatever happens to the message that brought it', () => {
    const tickets = new OpenedTickets(4)
    const [sealed, other] = [ticket(), ticket()]
    const kept = again(sealed)
    const opened = tickets.open(sealed, key, NOW)
    sealed.bytes.fill(0)
    expect(tickets.open(kept, key, NOW)).toBe(opened)
    expect(tickets.open(other, key, NOW)).not.toBe(opened)
    expect(tickets.size).toBe(2)
  })

  it('is not found under another key, even an equal one', () => {
    const tickets = new OpenedTickets(4)
    const sealed = ticket()
    const opened = tickets.open(sealed, key, NOW)
    const equal = new LongTermKey(new Uint8Array(32).fill(1))
    expect(tickets.open(again(sealed), equal, NOW)).not.toBe(opened)
    expect(() => tickets.open(sealed, new LongTermKey(new Uint8Array(32)), NOW)).toThrow(invalid)
    expect(tickets.size).toBe(1)
  })

  it('is neither found nor pushed out by a forged ticket with its nonce', () => {
    const tickets = new OpenedTickets(4)
    const sealed = ticket()
    const opened = tickets.open(sealed, key, NOW)
    const forged = again(sealed)
    const last = forged.bytes.length - 1
    forged.bytes[last] = (forged.bytes[last] as number) ^ 1
    expect(() => tickets.open(forged, key, NOW)).toThrow(invalid)
    expect(tickets.open(again(sealed), key, NOW)).toBe(opened)
  })

  it.each([
    [-1, true],
    [0, false],
    [1, false],
  ])('is remembered until it ends: %i ms from there', (offset, remembered) => {
    const tickets = new OpenedTickets(4)
    const sealed = ticket()
    const first = tickets.open(sealed, key, END + offset)
    expect(tickets.size).toBe(remembered ? 1 : 0)
    expect(tickets.open(again(sealed), key, END + offset) === first).toBe(remembered)
    const young = new OpenedTickets(4)
    const opened = young.open(sealed, key, NOW)
    expect(young.open(again(sealed), key, END + offset) === opened).toBe(remembered)
    expect(young.size).toBe(remembered ? 1 : 0)
  })
})

describe('the memory of opened tickets', () => {
  it.each([1, 2, 7])('holds the last %i ordinary tickets if it is made for as many', entries => {
    const tickets = new OpenedTickets(entries)
    const sealed = Array.from({ length: entries + 2 }, () => ticket())
    const opened = sealed.map(each => tickets.open(each, key, NOW))
    expect(tickets.size).toBe(entries)
    for (const [i, each] of sealed.entries()) {
      if (i >= 2) expect(tickets.open(again(each), key, NOW)).toBe(opened[i])
    }
    expect(tickets.open(again(sealed[1] as SealedTicket), key, NOW)).not.toBe(opened[1])
  })

  const letters = (count: number): string[] =>
    Array.from({ length: count }, (_, i) =>
      String.fromCharCode(97 + (i % 26), 97 + (Math.floor(i / 26) % 26)),
    )
  const repeated = (count: number, caveat: Caveat): Caveat[] => Array.from({ length: count }, () => caveat)
  interface Shape {
    readonly claims?: Claims
    readonly caveats?: readonly Caveat[]
    /** The caveats with which its client presents it, one way after the other. */
    readonly chains?: readonly (readonly Caveat[])[]
  }
  const ways = (count: number, chain: (i: number) => Caveat[]) =>
    Array.from({ length: count }, (_, i) => chain(i))
  const shapes: Record<string, Shape> = {
    'nothing else': {},
    'a long claim': { claims: [['text', 'x'.repeat(1_900)]] },
    'a claim that is a long list': { claims: [['list', letters(600)]] },
    'many claims': {
      claims: Array.from({ length: 32 }, (_, i) => [`c${String(i).padStart(2, '0')}`, 'v'] as const),
    },
    'many small caveats': { caveats: repeated(16, { name: 'expires', time: END }) },
    'one long caveat': { caveats: [{ name: 'methods', methods: letters(600) }] },
    'many long caveats': { caveats: repeated(16, { name: 'methods', methods: letters(38) }) },
    'many paths': { caveats: [{ name: 'paths', prefixes: letters(450).map(text => `/${text}`) }] },
    'chains of many caveats': { chains: ways(6, i => repeated(15, { name: 'expires', time: END + i })) },
    'chains of one long caveat': {
      chains: ways(6, i => [{ name: 'methods', methods: [String(i), ...letters(77)] }]),
    },
    'chains as they usually are': {
      claims: [['role', 'reader']],
      chains: ways(4, i => [
        { name: 'expires', time: END + i },
        { name: 'methods', methods: ['GET'] },
        { name: 'paths', prefixes: ['/orders'] },
      ]),
    },
  }

  /** A full memory of twice as many tickets, each presented in all its ways. */
  function fill(entries: number, { claims = [], caveats = [], chains = [] }: Shape): OpenedTickets {
    const tickets = new OpenedTickets(entries)
    const opener = {
      open: (sealed: SealedTicket) => tickets.open(sealed, key, NOW),
      keeps: tickets.keeps.bind(tickets),
    }
    for (let i = 0; i < 2 * entries; i++) {
      const sealed = again(ticket(0, END, { claims, caveats: caveats.map(encodeCaveat) }))
      for (const chain of [[], ...chains]) {
        const opened = openPresented(opener, { ticket: sealed, caveats: chain.map(encodeCaveat) })
        const kept = keepPresented(opener, opened)
        for (const caveat of [...kept.ticket.caveats, ...kept.presented]) decodeCaveat(caveat)
      }
    }
    return tickets
  }

  it.each(Object.entries(shapes))('takes no more of the heap than it is made for: %s', (_, shape) => {
    const entries = 500
    fill(20, shape)
    const before = heapUsed()
    const tickets = fill(entries, shape)
    const taken = heapUsed() - before
    expect(tickets.size).toBeGreaterThan(entries / 20)
    expect(taken).toBeLessThan(entries * 4 * 1024 + RUNNER_BYTES)
  })

  it('counts only the chains that are still kept with a ticket, however many it was presented with', () => {
    const entries = 20
    const tickets = new OpenedTickets(entries)
    const opener = {
      open: (sealed: SealedTicket) => tickets.open(sealed, key, NOW),
      keeps: tickets.keeps.bind(tickets),
    }
    const changing = again(ticket())
    for (let i = 0; i < 200; i++) {
      const chain = repeated(5, { name: 'expires', time: END + i }).map(encodeCaveat)
      const { presented } = keepPresented(opener, openPresented(opener, { ticket: changing, caveats: chain }))
      expect(presented, 'it is remembered').not.toBe(chain)
    }
    // Four chains of five caveats take what some three plain tickets take, and two hundred more than the whole memory.
    for (let i = 0; i < entries / 2; i++) tickets.open(again(ticket()), key, NOW)
    expect(tickets.size).toBe(entries / 2 + 1)
  })

  it('holds no ticket that is larger than all of it, and stays bounded', () => {
    const tickets = new OpenedTickets(4)
    const padded = { ...ticket(2_000), bytes: new Uint8Array(4 * 1024) }
    tickets.open(ticket(), key, NOW)
    for (let i = 0; i < 20; i++) tickets.open(padded, key, NOW)
    expect(tickets.size).toBe(1)
    for (let i = 0; i < 20; i++) tickets.open(ticket(600), key, NOW)
    expect(tickets.size).toBe(2)
  })

  it.each([0, -1, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('is not made for %d', entries => {
    expect(() => new OpenedTickets(entries)).toThrow(
      new TypeError(`the entries of a ticket cache are a whole number from 1, not ${entries}`),
    )
  })
})
