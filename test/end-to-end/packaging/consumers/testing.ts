import { createTestClock, startRealm, type TestRealm } from 'orthrus/testing'

// @ts-expect-error It is a function.
export const realm: TestRealm = startRealm

export async function test(): Promise<string> {
  const realm: TestRealm = await startRealm({ clock: createTestClock() })
  await realm.add('web', 'orders')
  await realm.allow('web', 'orders', { claims: { role: 'reader' }, maxLife: 60_000 })
  const service = await realm.loadService('orders')
  const web = await realm.connect('web')
  realm.clock.advance(3_600_000)
  const ticket = await web.getServiceTicket('orders')
  await realm.close()
  return `${service.principal} ${ticket.client}`
}
