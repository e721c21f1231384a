import { describe, expect, it } from 'vitest'
import { createMac, isMac } from '../../shared/crypto/derive.js'
import { AuthKey } from '../../shared/crypto/keys.js'
import * as noble from '../../shared/crypto/primitives.js'
import * as openssl from '../../shared/crypto/primitives.node.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { type Comparison, compare, describeComparison, type Timed, timesOf } from './welch.js'

/**
 * Whether the time of a comparison tells where a MAC differs. One that ends early is worth tens of nanoseconds, which
 * are lost in the time of a request: so the comparison itself is timed, many to a sample, in one random order with one
 * that does end early. What is seen is judged by what that one shows, whatever the machine does besides. It belongs to
 * the slow set.
 */

const slow = process.env.ORTHRUS_SLOW === '1'
const WARM_UP = 4_000
/** Below it, t may be due to the machine. */
const UNSURE = 6
/** A share of what an early end shows; less may be due to where code and bytes happen to lie. */
const SHARE_UNSEEN = 0.2

const MACS = 64
const MAC_BYTES = 32
const MESSAGE = new Uint8Array(100).fill(1)
const key = new AuthKey(systemRandom(32))
const right = createMac(key, 'ap-req', MESSAGE)

type Check = (mac: Uint8Array) => boolean

function endsEarly(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

interface Checked {
  readonly name: string
  readonly check: Check
  /** The same with an early end. */
  readonly planted: Check
  /** How many are timed together: some tens of microseconds, which the machine seldom breaks into. */
  readonly batch: number
  /** Of all four kinds together. */
  readonly samples: number
}

const CHECKS: readonly Checked[] = [
  {
    name: 'equalBytes, OpenSSL',
    check: mac => openssl.equalBytes(right, mac),
    planted: mac => endsEarly(right, mac),
    batch: 100,
    samples: 40_000,
  },
  {
    name: 'equalBytes, noble',
    check: mac => noble.equalBytes(right, mac),
    planted: mac => endsEarly(right, mac),
    batch: 500,
    samples: 40_000,
  },
  {
    // Where making the MAC takes most of the time, more samples are needed for the rest to show.
    name: 'isMac',
    check: mac => isMac(key, 'ap-req', mac, MESSAGE),
    planted: mac => endsEarly(createMac(key, 'ap-req', MESSAGE), mac),
    batch: 10,
    samples: 120_000,
  },
]

/** All kinds compare the same bytes in the same places, of which one is changed before. */
const macs = Array.from({ length: MACS }, () => right.slice())

function batchOf(check: Check, count: number, at: number): Timed {
  return {
    prepare: () => {
      for (const mac of macs) {
        mac.set(right)
        mac[at] = (right[at] as number) ^ 1
      }
    },
    act: () => {
      let taken = 0
      for (let i = 0; i < count; i++) if (check(macs[i % MACS] as Uint8Array)) taken++
      if (taken > 0) throw new Error('a MAC that is wrong was taken')
    },
  }
}

/** First byte against last, for a single check. */
function compared(first: readonly number[] = [], last: readonly number[] = [], count: number): Comparison {
  const single = (times: readonly number[]) => times.map(time => time / count)
  return compare(single(first), single(last))
}

function report(name: string, comparison: Comparison): Comparison {
  console.log(describeComparison(name, comparison))
  return comparison
}

function worthOf({ medians: [first, last] }: Comparison): number {
  return Math.abs(first - last)
}

/** By the means, which t tests, and by the medians, which no disturbance moves. */
function isSeen(comparison: Comparison, worth: number): boolean {
  const { t, difference } = comparison
  const least = Math.min(Math.abs(difference), worthOf(comparison))
  return Math.abs(t) > UNSURE && least > SHARE_UNSEEN * worth
}

describe.skipIf(!slow)('the time of a comparison', { timeout: 60_000 }, () => {
  it.each(CHECKS.map(checked => [checked.name, checked] as const))(
    'does not tell where a MAC differs: %s',
    (name, { check, planted, batch, samples }) => {
      const kinds = [check, planted].flatMap(each => [0, MAC_BYTES - 1].map(at => batchOf(each, batch, at)))
      const [first, last, plantedFirst, plantedLast] = timesOf(kinds, samples, WARM_UP)
      const control = report(`${name}, planted early end`, compared(plantedFirst, plantedLast, batch))
      const found = report(`${name}: first byte, last byte`, compared(first, last, batch))
      const worth = worthOf(control)
      expect(control.difference).toBeLessThan(0)
      expect(isSeen(control, worth)).toBe(true)
      expect(isSeen(found, worth)).toBe(false)
    },
  )
})
