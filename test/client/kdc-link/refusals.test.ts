import { describe, expect, it } from 'vitest'
import { denial, kdcRefusal } from '../../../client/kdc-link/refusals.js'
import type { WireError } from '../../../shared/encoding/error.js'
import { parsePrincipal } from '../../../shared/principal.js'
import { HOUR, MINUTE } from '../../../shared/time.js'
import { START } from '../../support/clock.js'
import { WEB } from '../fake-kdc.js'

const KDC = 'ws://10.0.0.3:8750'
const LOGIN = { client: WEB, passwordBased: false }

/** The hint of a `clock_skew` whose KDC reads the first time, for a machine that reads the second. */
async function hintAt(time: number, own?: number): Promise<string | undefined> {
  const error: WireError = { code: 'clock_skew', authenticated: true, time, floor: null, message: '' }
  return (await kdcRefusal(error, LOGIN, { kdc: KDC }, own)).facts.hint
}

describe('the hint of the KDC’s clock_skew', () => {
  it.each([HOUR, -HOUR, 2 * MINUTE + 1])(
    'says what each of two clocks reads that are %d ms apart',
    async apart => {
      const [own, told] = [START, START + apart].map(time => new Date(time).toISOString())
      const hint = await hintAt(START + apart, START)
      expect(hint).toContain(`this machine's clock reads ${own}, the KDC's ${told}: one of the two is wrong`)
      expect(hint).toContain('/health')
    },
  )

  it('calls neither clock wrong if they agree', async () => {
    for (const apart of [0, 2 * MINUTE, -2 * MINUTE]) {
      const hint = await hintAt(START + apart, START)
      expect(hint).toContain('they agree now')
      expect(hint).not.toContain('wrong')
    }
  })

  it('accepts a time that no calendar has, and does without a time', async () => {
    expect(await hintAt(Number.MAX_SAFE_INTEGER, START)).toContain(
      "the KDC's 9007199254740991: one of the two",
    )
    expect(await hintAt(START)).toContain("this machine's clock or the KDC's is wrong")
  })
})

it('the hint of a denial of krbtgt sends nobody to a rule, since none can allow it', async () => {
  const krbtgt = parsePrincipal('krbtgt@demo.example')
  const { hint } = (await denial(WEB, { service: krbtgt, code: 'policy_denied', kdc: KDC })).facts
  expect(hint).toBe('no rule allows it: a TGT comes with each login, not by name')
})

describe('the hint of the KDC’s auth_failed', () => {
  it.each([
    ['web', true],
    ['admin', false],
  ])('of %s names the administrator’s command only for those who can run it', async (name, isNamed) => {
    const error: WireError = { code: 'auth_failed', authenticated: false, time: 1, floor: null, message: '' }
    const client = parsePrincipal(`${name}@demo.example`)
    const { hint } = (await kdcRefusal(error, { client, passwordBased: false }, { kdc: KDC })).facts
    expect(hint?.includes('orthrus admin show')).toBe(isNamed)
    expect(hint).toContain('newest keytab')
  })
})
