import 'ws'
import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { serve } from '../processes.js'
import { callTls, type TlsOrder } from './tls.js'

/** The process of a client that calls a service for the first time, again and again. */

// The first call loads these, if nothing did before: here they are loaded, as the modules of TLS are.
void globalThis.Response

export interface OrthrusOrder {
  readonly kdc: string
  readonly keytab: string
  readonly principal: string
  readonly service: string
  readonly url: string
  readonly count: number
}

/** Connects, gets TGT and ticket in one exchange, calls. @returns milliseconds of each */
async function orthrusNew(order: OrthrusOrder): Promise<number[]> {
  return await repeat(order.count, async () => {
    const begin = performance.now()
    const realm = await open(order)
    await call(realm, order)
    const elapsed = performance.now() - begin
    realm.close()
    return elapsed
  })
}

/** Calls over a new connection with a ticket that is there. @returns milliseconds of each */
async function orthrusHeld(order: OrthrusOrder): Promise<number[]> {
  const realm = await open(order)
  try {
    await call(realm, order)
    return await repeat(order.count, async () => {
      const begin = performance.now()
      await call(realm, order)
      return performance.now() - begin
    })
  } finally {
    realm.close()
  }
}

function open({ kdc, keytab, principal }: OrthrusOrder): Promise<Realm> {
  return connect({ kdc, keytab: { text: keytab }, principal })
}

async function call(realm: Realm, { url, service }: OrthrusOrder): Promise<void> {
  const response = await realm.fetch(url, { service })
  if ((await response.text()) !== realm.client) throw new Error('the service took the client for another')
}

/** @returns milliseconds of each full handshake and call */
async function tlsNew(order: TlsOrder): Promise<number[]> {
  return await repeat(order.count, async () => (await callTls(order)).elapsed)
}

/** @returns milliseconds of each resumed handshake and call */
async function tlsResumed(order: TlsOrder): Promise<number[]> {
  let { session } = await callTls(order)
  return await repeat(order.count, async () => {
    const called = await callTls(order, session)
    if (!called.reused) throw new Error('the TLS session was not resumed')
    session = called.session ?? session
    return called.elapsed
  })
}

async function repeat(count: number, once: () => Promise<number>): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < count; i++) times.push(await once())
  return times
}

serve({ orthrusNew, orthrusHeld, tlsNew, tlsResumed })
