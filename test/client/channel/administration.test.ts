import { describe, expect, it } from 'vitest'
import { Administration } from '../../../client/channel/administration.js'
import type { PolicyRule } from '../../../shared/administration/rule.js'
import { malformed } from '../../../shared/errors.js'
import { pattern, ruleOf, testRealm } from '../../support/realm.js'

const [web, orders] = [pattern('web'), pattern('orders')]

/** An administrator, and what happens right before the KDC is asked to store a rule. */
async function scene(beforeStoring: (other: Administration, attempt: number) => Promise<unknown>) {
  const realm = await testRealm()
  const other = new Administration({ call: (method, args) => realm.call(method, args) })
  let attempts = 0
  const administration = new Administration({
    call: async (method, args) => {
      if (method === 'allow' || method === 'deny') await beforeStoring(other, ++attempts)
      return realm.call(method, args)
    },
  })
  return { administration, other, attempts: () => attempts }
}

const delegable = (before: PolicyRule | null): PolicyRule => ({
  ...(before ?? ruleOf('web', 'orders')),
  delegable: true,
})

describe('a rule that two administrators change at once', () => {
  it('has both changes', async () => {
    const { administration, other, attempts } = await scene(async (other, attempt) => {
      if (attempt > 2) return
      await other.setRule(ruleOf('web', 'orders', { claims: [['role', `reader ${attempt}`]] }))
    })
    const whole = ruleOf('web', 'orders', { claims: [['role', 'reader 2']], delegable: true })
    expect(await administration.changeRule(web, orders, delegable)).toEqual({
      before: { ...whole, delegable: false },
      after: whole,
    })
    expect(await other.rule(web, orders)).toEqual(whole)
    expect(attempts()).toBe(3)
  })

  it('is given up if others never stop changing it', async () => {
    const { administration, attempts } = await scene((other, attempt) =>
      other.setRule(ruleOf('web', 'orders', { maxLife: attempt })),
    )
    await expect(administration.changeRule(web, orders, delegable)).rejects.toMatchObject({
      code: 'malformed',
      message: expect.stringContaining('somebody else changed the rule'),
    })
    expect(attempts()).toBe(10)
  })

  it('is not tried again if the KDC refuses it for another reason', async () => {
    const { administration, attempts } = await scene(async () => {
      throw malformed('a path begins with /')
    })
    await expect(administration.changeRule(web, orders, delegable)).rejects.toThrow(/a path begins with/)
    expect(attempts()).toBe(1)
  })
})
