import { describe, expect, it } from 'vitest'
import { requestedService } from '../../../client/request/requested-service.js'
import { importTicket } from '../../../client/ticket/imported-ticket.js'
import type { Ticket } from '../../../client/ticket/ticket.js'
import { OrthrusError } from '../../../shared/errors.js'
import { type Principal, principalIn } from '../../../shared/principal.js'
import { startTestRealm } from '../../support/world.js'

/** Every combination of what can name the service of a request. eve is whoever hands credentials on. */

const ORIGIN = 'http://a.test'
const NAMES = [undefined, 'orders', 'eve'] as const

async function tickets(): Promise<readonly (readonly [label: string, ticket: Ticket | undefined])[]> {
  const realm = await startTestRealm()
  await realm.add('web', 'orders', 'eve')
  await realm.allow('web', '*', { delegable: true })
  const web = await realm.connect('web')
  const both = async (name: string) => {
    const own = (await web.getServiceTicket(name)).attenuate({ expires: '5m' })
    return [own, importTicket(own.credential(), () => realm.clock.now(), true)]
  }
  const [ownOrders, orders] = await both('orders')
  const [ownEve, eve] = await both('eve')
  return [
    ['no ticket', undefined],
    ['its own for orders', ownOrders],
    ['its own for eve', ownEve],
    ['an imported one for orders', orders],
    ['an imported one for eve', eve],
  ]
}

function outcomeOf(choose: () => Principal): Principal | 'credential_invalid' | 'TypeError' {
  try {
    return choose()
  } catch (cause) {
    if (cause instanceof OrthrusError && cause.code === 'credential_invalid') return 'credential_invalid'
    expect(cause).toBeInstanceOf(TypeError)
    return 'TypeError'
  }
}

describe('the service of a request', () => {
  it('is only one that this client named itself, and the one of the ticket that is presented', async () => {
    const choices = await tickets()
    const principal = (name: string) => principalIn('test.example' as never, name)
    let chosen = 0
    for (const named of NAMES)
      for (const mapped of NAMES)
        for (const [given, ticket] of choices)
          for (const [holding, held] of choices.filter(([label]) => !label.startsWith('its own'))) {
            const label = `service ${named}, services ${mapped}, given ${given}, holding ${holding}`
            const services = new Map(mapped === undefined ? [] : [[ORIGIN, principal(mapped)]])
            const service = named === undefined ? undefined : principal(named)
            const outcome = outcomeOf(() =>
              requestedService({ origin: ORIGIN, service, ticket, held }, services),
            )
            const ownNames = [
              named,
              mapped,
              given.startsWith('its own') ? given.split(' ').at(-1) : undefined,
            ]
            if (outcome === 'credential_invalid' || outcome === 'TypeError') {
              const imported = given.startsWith('an imported') || (ticket === undefined && held !== undefined)
              // Only what another party chose is an error of the credential. All else is a mistake of the caller.
              if (outcome === 'credential_invalid') expect(imported, label).toBe(true)
              continue
            }
            chosen++
            expect(
              ownNames.map(name => name && principal(name)),
              label,
            ).toContain(outcome)
            if (ticket !== undefined) expect(outcome, label).toBe(ticket.service)
            if (ticket === undefined && held !== undefined && mapped !== undefined)
              expect(held.service, label).toBe(principal(mapped))
          }
    expect(chosen).toBeGreaterThan(30)
  })

  it.each([
    ['nothing', undefined, undefined, 'TypeError'],
    ['a name', 'orders', undefined, 'orders@test.example'],
    ['services', undefined, 'orders', 'orders@test.example'],
    ['a name that is not that of the ticket', 'eve', undefined, 'credential_invalid'],
    ['services that are not those of the ticket', undefined, 'eve', 'credential_invalid'],
    ['a name that services contradict', 'orders', 'eve', 'credential_invalid'],
    ['services that a name contradicts', 'eve', 'orders', 'credential_invalid'],
  ])('of an imported ticket for orders, by %s', async (_, named, mapped, outcome) => {
    const [, , , [, ticket] = []] = await tickets()
    const principal = (name: string | undefined) => name && principalIn('test.example' as never, name)
    const services = new Map(mapped === undefined ? [] : [[ORIGIN, principal(mapped) as Principal]])
    const service = principal(named) as Principal | undefined
    for (const choice of [
      { ticket, held: undefined },
      { ticket, held: ticket },
    ])
      expect(outcomeOf(() => requestedService({ origin: ORIGIN, service, ...choice }, services))).toBe(
        outcome,
      )
  })
})
