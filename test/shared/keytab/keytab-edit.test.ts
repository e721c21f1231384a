import { describe, expect, it } from 'vitest'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { systemRandom } from '../../../shared/crypto/random.js'
import { formatKeytab, type KeytabEntry, parseKeytab } from '../../../shared/keytab/keytab.js'
import { editKeytab, endsIn } from '../../../shared/keytab/keytab-edit.js'
import { type Principal, parsePrincipal } from '../../../shared/principal.js'

const ORDERS = parsePrincipal('orders@demo.example')
const BILLING = parsePrincipal('billing@demo.example')
const END = Date.UTC(2026, 10, 27, 8)

const entry = (principal: Principal, kvno: number): KeytabEntry => ({
  principal,
  kvno,
  key: new LongTermKey(systemRandom(32)),
})
const entries = [entry(ORDERS, 1), entry(BILLING, 1), entry(ORDERS, 2)]
const commented = formatKeytab(entries).replace('\norders', '\n# orders@demo.example is ours\norders')

const named = (text: string): string[] => parseKeytab(text).map(each => `${each.principal} ${each.kvno}`)

describe('an edit of a keytab', () => {
  it('that changes nothing leaves every byte', () => {
    expect(editKeytab(commented, { principal: ORDERS })).toBe(commented)
  })

  it('adds lines behind those that are there', () => {
    const added = entry(ORDERS, 3)
    const text = editKeytab(commented, { principal: ORDERS, add: [added] })
    expect(text.startsWith(commented)).toBe(true)
    expect(text.slice(commented.length)).toBe(formatKeytab([added]).split('\n').slice(1).join('\n'))
  })

  it('takes out the lines of one principal only', () => {
    const text = editKeytab(commented, { principal: ORDERS, drop: [1] })
    expect(named(text)).toEqual(['billing@demo.example 1', 'orders@demo.example 2'])
    expect(text).toContain('# orders@demo.example is ours\n')
  })

  it('notes the end of an old key where programs of the last version skip it, and takes it out with the key', () => {
    const noted = editKeytab(commented, { principal: ORDERS, ends: new Map([[1, END]]) })
    expect(noted).toContain('\n# orders@demo.example 1 ends 2026-11-27T08:00:00.000Z\n')
    expect(named(noted)).toEqual(named(commented))
    expect([...endsIn(noted, ORDERS)]).toEqual([[1, END]])
    expect([...endsIn(noted, BILLING)]).toEqual([])
    expect(editKeytab(noted, { principal: ORDERS, ends: new Map([[1, END]]) })).toBe(noted)
    const moved = editKeytab(noted, { principal: ORDERS, ends: new Map([[1, END + 1]]) })
    expect([...endsIn(moved, ORDERS)]).toEqual([[1, END + 1]])
    const gone = editKeytab(noted, { principal: ORDERS, drop: [1] })
    expect(gone).not.toContain(' ends ')
  })

  it('can take out the last line, and then says at the next start that there is no key', () => {
    const empty = editKeytab(formatKeytab([entry(ORDERS, 1)]), { principal: ORDERS, drop: [1] })
    expect(empty).toBe('# orthrus keytab 1\n')
    expect(() => parseKeytab(empty)).toThrow(/there is no key in it/)
  })

  it.each(['never', '', '2026-13-01', '9'.repeat(30)])('notes no end that is no time: %s', time => {
    const odd = `${commented}# orders@demo.example 1 ends ${time}\n`
    expect([...endsIn(odd, ORDERS)]).toEqual([])
    const [end] = endsIn(editKeytab(odd, { principal: ORDERS, ends: new Map([[1, 1e16]]) }), ORDERS)
    expect(end).toBeUndefined()
  })
})
