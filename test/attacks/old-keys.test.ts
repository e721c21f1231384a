import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../client/connect.js'
import type { Realm } from '../../client/realm.js'
import { rotateKey } from '../../client/rotation/rotate.js'
import { TYPE } from '../../shared/constants.js'
import { SessionKey } from '../../shared/crypto/keys.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createError } from '../../shared/encoding/error.js'
import { createAsReply, decodeAsRequest, verifyAsRequest } from '../../shared/exchange/as.js'
import { formatKeytab, type KeytabEntry, parseKeytab } from '../../shared/keytab/keytab.js'
import { changingKeytab } from '../../shared/keytab/keytab-file.node.js'
import type { Principal } from '../../shared/principal.js'
import { sealTicket } from '../../shared/ticket/ticket.js'
import { HOUR } from '../../shared/time.js'
import { type OwnKdc, startOwnKdc } from '../support/own-kdc.js'
import { WebSocketProxy } from '../support/websocket-proxy.js'
import { failureOf } from '../support/world.js'

/** What a thief of a key can do with it once the key has changed. */

interface Scene {
  readonly own: OwnKdc
  readonly old: KeytabEntry
  readonly path: string
  readonly proxy: WebSocketProxy
  connect(): Promise<Realm>
}

/** A client that has changed its key, and keeps the old one for tickets under it; the thief has the old one. */
async function rotated(): Promise<Scene & { readonly running: Realm }> {
  const folder = await mkdtemp(join(tmpdir(), 'orthrus-old-keys-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'web.keytab')
  const own = await startOwnKdc()
  const { clock } = own
  const old = await own.add('web')
  await writeFile(path, formatKeytab([old]), { mode: 0o600 })
  const proxy = await WebSocketProxy.start(own.kdc.url)
  const scene: Scene = {
    own,
    old,
    path,
    proxy,
    connect: async () => {
      const realm = await connect({ kdc: proxy.url, keytab: path, clock, timers: clock })
      onTestFinished(() => realm.close())
      return realm
    },
  }
  const running = await scene.connect()
  await rotateKey(running, { keytab: changingKeytab(path, { clock, timers: clock }), wanted: true })
  expect(parseKeytab(await readFile(path, 'utf8')).map(({ kvno }) => kvno)).toEqual([1, 2])
  return { ...scene, running }
}

/** The thief between client and KDC: refuses the new key, in clear as anybody can, and answers a login with the old one. */
function impersonate({ own: { clock }, old, proxy }: Scene): number[] {
  const tried: number[] = []
  const now = clock.now()
  const granted = (service: Principal, client: Principal) => {
    const times = { authTime: now, startTime: now, endTime: now + HOUR, renewTill: null }
    const base = {
      ...times,
      key: new SessionKey(systemRandom(32)),
      ticketId: systemRandom(16),
      flags: 0,
      claims: [],
    }
    const content = { ...base, client, clientId: systemRandom(8), caveats: [] }
    return { ...base, service, ticket: sealTicket(service, 1, old.key, content, systemRandom).bytes }
  }
  proxy.upward = ({ id, message }, wire) => {
    if (message[1] === TYPE.TGS_REQ) {
      const refusal = { code: 'ticket_invalid', time: now, floor: null, message: '' } as const
      wire.toClient({ id, message: createError(refusal) })
      return []
    }
    const asked = decodeAsRequest(message)
    tried.push(asked.kvno)
    const refusal = { code: 'auth_failed', time: now, floor: null, message: '' } as const
    if (asked.kvno !== old.kvno) {
      wire.toClient({ id, message: createError(refusal) })
      return []
    }
    const request = verifyAsRequest(asked, old.key)
    const services = ['krbtgt@test.example' as Principal, ...request.services]
    const grants = services.map(service => granted(service, request.client))
    wire.toClient({
      id,
      message: createAsReply(old.key, request, { time: now, grants, denials: [] }, systemRandom),
    })
    return []
  }
  return tried
}

describe('a key that its holder has changed', () => {
  it.each([
    ['the process that changed it', (scene: { running: Realm }) => scene.running],
    ['one that starts afterwards', (scene: Scene) => scene.connect()],
  ])('does not let its thief play the KDC by refusing the new one: %s', async (_, realmOf) => {
    const scene = await rotated()
    const realm = await realmOf(scene)
    const tried = impersonate(scene)
    expect(await failureOf(realm.getServiceTicket('orders'))).toMatchObject({ code: 'auth_failed' })
    expect(new Set(tried)).toEqual(new Set([2]))
  })
})
