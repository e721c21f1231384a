import { type ConnectOptions, connect, OrthrusError, type Realm, silentLogger } from 'orthrus/client'

// @ts-expect-error A client needs a key of some kind: these types are not just anything.
export const keyless: ConnectOptions = { kdc: 'ws://127.0.0.1:8750' }

const options: ConnectOptions = { kdc: 'ws://127.0.0.1:8750', keytab: 'web.keytab', logger: silentLogger }

export async function call(body: string): Promise<string> {
  const realm: Realm = await connect(options)
  try {
    const response = await realm.fetch('http://127.0.0.1:8080/', {
      method: 'POST',
      body,
      service: 'orders',
      cover: ['idempotency-key'],
    })
    return `${response.status} ${response.covered.join()} ${await response.text()}`
  } catch (error) {
    if (error instanceof OrthrusError && error.code === 'not_authorized') return error.facts.hint ?? ''
    throw error
  } finally {
    realm.close()
  }
}

export async function talk(realm: Realm): Promise<Uint8Array | undefined> {
  const channel = await realm.openChannel('ws://127.0.0.1:8080/live', { service: 'orders' })
  await channel.send('hello')
  for await (const message of channel) return message
  return undefined
}

export async function handOn(realm: Realm): Promise<string> {
  const ticket = await realm.getServiceTicket('orders')
  return ticket.attenuate({ to: 'billing', expires: '5m', methods: ['GET'] }).credential()
}
