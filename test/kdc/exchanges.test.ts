import { describe, expect, it } from 'vitest'
import { ask, grantOf, grantsOf, local, login, openedBy, testRealm } from './realm.js'

describe('a login and its tickets', () => {
  it('goes from a key to a TGT and tickets in one round trip, and from the TGT to others', async () => {
    const realm = await testRealm()
    const web = await realm.add('web')
    const orders = await realm.add('orders')
    await realm.allow('web', 'orders', { claims: [['role', 'reader']] })
    const answer = await login(realm, web, { services: [local('orders')], renewable: true })
    const [tgt, ticket] = grantsOf(answer)
    expect(tgt?.service).toBe('krbtgt@demo.example')
    expect(ticket?.service).toBe('orders@demo.example')
    const again = grantOf(await ask(realm, grantOf(answer), { services: [local('orders')] }))
    const opened = openedBy(orders, again)
    expect(opened).toMatchObject({ client: 'web@demo.example', claims: [['role', 'reader']], flags: 0 })
    expect(opened.authTime).toBe(realm.clock.time)
  })
})
