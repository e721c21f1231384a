import { describe, expect, it } from 'vitest'
import { LongTermKey, SessionKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { OpenedTickets } from '../../../shared/ticket/opened-tickets.js'
import { decodeTicket, type SealedTicket, sealTicket } from '../../../shared/ticket/ticket.js'

/** The memory of opened tickets: what is found again, under which key and until when, and how much there is of it. */

const ORDERS = parsePrincipal('orders@demo.example')
const NOW = 1_800_000_000_000
const END = NOW + 1_000
const key = new LongTermKey(new Uint8Array(32).fill(1))
const invalid = expect.objectContaining({ code: 'ticket_invalid' })

/** A ticket with so many bytes of text in a claim. */
function ticket(text = 0, endTime = END): SealedTicket {
  const named = { ticketId: systemRandom(16), client: parsePrincipal('web@demo.example'), flags: 0 }
  const times = { authTime: NOW, startTime: NOW, endTime, renewTill: null }
  const claims = text === 0 ? [] : [['text', 'x'.repeat(text)] as const]
  const secret = { clientId: systemRandom(8), key: new SessionKey(systemRandom(32)) }
  return sealTicket(ORDERS, 1, key, { ...named, ...times, ...secret, claims, caveats: [] }, systemRandom)
}

/** The same bytes in other memory, as the next request brings them. */
const again = ({ bytes }: SealedTicket): SealedTicket => decodeTicket(bytes.slice())

describe('an opened ticket', () => {
  it('is found again by its bytes, whatever became of the message that brought it', () => {
    const tickets = new OpenedTickets(4)
    const [sealed, other] = [ticket(), ticket()]
    const kept = again(sealed)
    const opened = tickets.open(sealed, key, NOW)
    sealed.bytes.fill(0)
    expect(tickets.open(kept, key, NOW)).toBe(opened)
    expect(tickets.open(other, key, NOW)).not.toBe(opened)
    expect(tickets.size).toBe(2)
  })

  it('is not found under another key, be it equal', () => {
    const tickets = new OpenedTickets(4)
    const sealed = ticket()
    const opened = tickets.open(sealed, key, NOW)
    const equal = new LongTermKey(new Uint8Array(32).fill(1))
    expect(tickets.open(again(sealed), equal, NOW)).not.toBe(opened)
    expect(() => tickets.open(sealed, new LongTermKey(new Uint8Array(32)), NOW)).toThrow(invalid)
    expect(tickets.size).toBe(1)
  })

  it('is not what a forged ticket with its nonce finds, nor pushed out by that', () => {
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
  it.each([1, 2, 7])('holds %i ordinary tickets where it is made for as many, the last ones', entries => {
    const tickets = new OpenedTickets(entries)
    const sealed = Array.from({ length: entries + 2 }, () => ticket())
    const opened = sealed.map(each => tickets.open(each, key, NOW))
    expect(tickets.size).toBe(entries)
    for (const [i, each] of sealed.entries()) {
      if (i >= 2) expect(tickets.open(again(each), key, NOW)).toBe(opened[i])
    }
    expect(tickets.open(again(sealed[1] as SealedTicket), key, NOW)).not.toBe(opened[1])
  })

  it.each([0, 500, 1_000, 2_000])(
    'counts 1 KiB and four times its bytes for a ticket: with %i of text',
    text => {
      const entries = 32
      const tickets = new OpenedTickets(entries)
      const taken = 1024 + 4 * ticket(text).bytes.length
      for (let i = 0; i < 2 * entries; i++) tickets.open(ticket(text), key, NOW)
      expect(tickets.size).toBe(Math.min(entries, Math.floor((entries * 4096) / taken)))
    },
  )

  it('holds no ticket that is larger than all of it, and is bounded as before by the others', () => {
    const tickets = new OpenedTickets(4)
    const largest = ticket(2_000)
    const padded = { ...largest, bytes: new Uint8Array(4 * 1024) }
    const small = ticket()
    tickets.open(small, key, NOW)
    for (let i = 0; i < 20; i++) tickets.open(padded, key, NOW)
    expect(tickets.size).toBe(1)
    for (let i = 0; i < 20; i++) tickets.open(ticket(1_500), key, NOW)
    expect(tickets.size).toBe(2)
  })

  it.each([0, -1, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('is not made for %d', entries => {
    expect(() => new OpenedTickets(entries)).toThrow(
      new TypeError(`the entries of a ticket cache are a whole number from 1, not ${entries}`),
    )
  })
})
