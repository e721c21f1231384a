import { join } from 'node:path'
import type { Answer } from './attacker.js'
import { atEnd, demonstrate, require, say } from './demonstration.js'
import type { CallOrder, CallOutcome } from './peer.js'
import { orthrus, Party, startKdc } from './processes.js'

/**
 * `npm run demo`: a KDC on LevelDB, principals registered through the admin command, a call each way, then an attacker
 * that controls the network. Each step says what happened. The demonstration fails if any step goes otherwise.
 */

async function startRealm(folder: string): Promise<string> {
  await orthrus(folder, ['init', 'demo.example', '--data', 'data'])
  const { url, stop } = await startKdc(folder, 'data')
  atEnd(stop)
  say(`realm demo.example was made; its KDC listens on ${url}, its database is LevelDB in ${folder}`)
  return url
}

async function registerPrincipals(folder: string, kdc: string): Promise<void> {
  const admin = (...args: string[]) =>
    orthrus(folder, ['admin', ...args, '--kdc', kdc, '--keytab', join('data', 'admin.keytab')])
  await admin('add', 'web', 'orders', 'billing')
  await admin('allow', 'web', 'orders', '--claim', 'role=reader')
  await admin('allow', 'web', 'billing')
  await admin('allow', 'orders', 'web')
  say(
    'admin@demo.example proved its key to the KDC, the KDC proved itself to it; web, orders and billing registered',
  )
}

type Call = (order: CallOrder) => Promise<CallOutcome>

interface Peer {
  readonly url: string
  readonly call: Call
}

async function startPeer(folder: string, name: string, kdc: string): Promise<Peer> {
  const [party, { url }] = await Party.start<{ url: string }>(folder, './peer.js', [`${name}.keytab`, kdc])
  atEnd(() => party.stop())
  return { url, call: order => party.ask<CallOutcome>(order) }
}

async function callEachWay(web: Peer, orders: Peer): Promise<void> {
  const there = await web.call({ url: `${orders.url}/orders/7`, service: 'orders', method: 'GET' })
  require('status' in there && there.status === 200, 'an answer of orders to web', there)
  say(`web proved itself to orders, orders proved its answer to web: ${'body' in there ? there.body : ''}`)
  const back = await orders.call({ url: `${web.url}/ping`, service: 'web', method: 'GET' })
  require('status' in back && back.status === 200, 'an answer of web to orders', back)
  say(`orders proved itself to web, web proved its answer to orders: ${'body' in back ? back.body : ''}`)
}

async function attack(folder: string, web: Peer, orders: Peer): Promise<void> {
  const [attacker, { url }] = await Party.start<{ url: string }>(folder, './attacker.js', [orders.url])
  atEnd(() => attacker.stop())
  const post = (body: string) => web.call({ url: `${url}/orders`, service: 'orders', method: 'POST', body })

  const relayed = await post('one book')
  require('status' in relayed && relayed.status === 200, 'an answer through the relay', relayed)
  say(
    `through a relay that reads along, web and orders still prove each request and answer: ${'body' in relayed ? relayed.body : ''}`,
  )

  const replayed = await attacker.ask<Answer>({ mode: 'replay' })
  require(replayed.status === 401 &&
    replayed.challenge?.includes('error="replay"') === true, 'replay refused', replayed)
  say(
    'replay: the attacker sent the same bytes again; orders proved to whoever asks that it has seen them: refused',
  )

  await attacker.ask({ mode: 'tamper-request' })
  expectRefused(await post('two books'), 'binding_mismatch', 'a changed body refused')
  say(
    'tampered body: the attacker changed a letter; orders proved to web that this is not what web sent: refused',
  )

  await attacker.ask({ mode: 'tamper-response' })
  expectRefused(await post('three books'), 'response_unproved', 'a changed answer refused')
  say('tampered answer: the attacker changed a letter; the proof of orders does not fit it: web refused it')

  const stolen = await web.call({ url: `${orders.url}/orders/7`, service: 'billing', method: 'GET' })
  expectRefused(stolen, 'refused_unproved', "another service's ticket refused")
  say("another's ticket: a ticket for billing was shown to orders, which cannot open it: refused")

  await attacker.ask({ mode: 'impersonate' })
  expectRefused(await post('four books'), 'response_unproved', 'a fake service refused')
  say(
    'fake service: the attacker answered in the place of orders and could prove nothing: web refused the answer',
  )
}

function expectRefused(outcome: CallOutcome, code: string, expected: string): void {
  require('code' in outcome && outcome.code === code, expected, outcome)
}

await demonstrate(async folder => {
  const kdc = await startRealm(folder)
  await registerPrincipals(folder, kdc)
  const [web, orders] = await Promise.all([startPeer(folder, 'web', kdc), startPeer(folder, 'orders', kdc)])
  await callEachWay(web, orders)
  await attack(folder, web, orders)
})
