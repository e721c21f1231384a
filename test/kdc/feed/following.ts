import { ChannelOpener } from '../../../kdc/channel/channel-opener.js'
import type { AcceptedChannel } from '../../../shared/channel/accepted-channel.js'
import {
  decodeFromKdc,
  encodeCall,
  type KdcAnswer,
  type KdcEvent,
  resultsOf,
} from '../../../shared/channel/calls.js'
import { type RecordChannel, startChannel } from '../../../shared/channel/records.js'
import { TYPE } from '../../../shared/constants.js'
import type { Value } from '../../../shared/encoding/encoding.js'
import { openUnauthenticatedError } from '../../../shared/encoding/error.js'
import { openApAccept } from '../../../shared/exchange/ap.js'
import { decodeEntry, type RevocationEntry } from '../../../shared/revocation/entry.js'
import { decodeLogState, type FeedPosition, type LogState } from '../../../shared/revocation/feed.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import {
  ADDRESS,
  grantOf,
  type Identity,
  local,
  login,
  type TestRealm,
  testRealm,
} from '../../support/realm.js'
import { openingOf } from '../socket.js'

/** A KDC without sockets, and followers of its revocation log that see every message. */
export interface FeedScene extends TestRealm {
  readonly opener: ChannelOpener
}

export async function feedScene(options: Parameters<typeof testRealm>[0] = {}): Promise<FeedScene> {
  const realm = await testRealm(options)
  return { ...realm, opener: new ChannelOpener(realm.context) }
}

export async function kdcTicket(realm: TestRealm, client: Identity): Promise<Grant> {
  return grantOf(await login(realm, client, { services: [local('kdc')], time: realm.realm.time.now() }), 1)
}

export type Heard = KdcEvent | KdcAnswer | 'ended' | 'broken'

/** Lets everything that is ready happen, store and feed included. */
export async function settled(turns = 12): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>(resolve => setImmediate(resolve))
}

/** Adds entries to the log, as if that many series of tickets had been revoked. */
export async function revoke({ realm }: TestRealm, count = 1, principal = local('web')): Promise<void> {
  const { revocations, writer, record, random } = realm
  const revoked = Array.from({ length: count }, () => ({ kind: 'client', principal, by: random(8) }) as const)
  await writer.change(async now => {
    const changes = await revocations.append(revoked, now, record.longestLife)
    return { changes, effect: 'takes', result: undefined }
  })
}

/** One channel of a client, which may follow. */
export class TestFollower {
  readonly channel: AcceptedChannel
  /** What came that nobody has taken yet. */
  readonly heard: Heard[] = []
  isOver = false
  /** While set, the operating system takes nothing. */
  blocked: Promise<void> | undefined
  readonly #records: RecordChannel
  #n = 0

  private constructor(channel: AcceptedChannel, records: RecordChannel) {
    this.channel = channel
    this.#records = records
  }

  static async open(scene: FeedScene, client: Identity, address = ADDRESS): Promise<TestFollower> {
    return TestFollower.under(scene, await kdcTicket(scene, client), address)
  }

  static async under(scene: FeedScene, grant: Grant, address = ADDRESS): Promise<TestFollower> {
    const now = scene.realm.time.now()
    const { request, key } = openingOf(grant, { time: now })
    let follower: TestFollower | undefined
    const carrier = {
      send: async (message: Uint8Array) => {
        follower?.take(message)
        await follower?.blocked
      },
      ended: () => {
        if (follower !== undefined) follower.isOver = true
      },
    }
    const { reply, channel } = await scene.opener.open({ bytes: request.bytes, address, now }, carrier)
    if (channel === undefined) throw new Error(`refused: ${openUnauthenticatedError(reply).code}`)
    openApAccept(key, request.mac, reply)
    follower = new TestFollower(channel, startChannel('client', key, request.bytes, reply, 1 << 20))
    await channel.receive(follower.#records.sealGreeting())
    return follower
  }

  take(message: Uint8Array): void {
    if (message[1] !== TYPE.RECORD) return void this.heard.push('broken')
    const event = this.#records.open(message)
    if (event !== undefined) this.heard.push(event.kind === 'end' ? 'ended' : decodeFromKdc(event.message))
  }

  /** Calls without waiting for an answer. */
  say(method: string, ...args: readonly Value[]): Promise<void> {
    const message = encodeCall({ n: ++this.#n, method, args })
    return Promise.all(this.#records.sealMessage(message).map(record => this.channel.receive(record))).then(
      () => {},
    )
  }

  /** Calls, and takes the answer out of what was heard. @throws OrthrusError of the answer */
  async call(method: string, ...args: readonly Value[]): Promise<readonly Value[]> {
    await this.say(method, ...args)
    const index = this.heard.findIndex(one => typeof one === 'object' && 'n' in one && one.n === this.#n)
    const [answer] = index < 0 ? [] : this.heard.splice(index, 1)
    if (answer === undefined || typeof answer === 'string' || 'name' in answer) throw new Error('no answer')
    return resultsOf(answer)
  }

  async follow(position: FeedPosition | null = null): Promise<LogState> {
    const args = position === null ? [null, null, null] : [position.logId, position.seq, position.mark]
    return decodeLogState(await this.call('follow', ...args))
  }

  async alive(): Promise<LogState> {
    return decodeLogState(await this.call('alive'))
  }

  /** Takes the entries that came, in order. @throws Error for any other message */
  entries(): RevocationEntry[] {
    return this.heard.splice(0).map(one => {
      if (typeof one === 'object' && 'name' in one && one.name === 'entry') return decodeEntry(one.fields)
      throw new Error(`not an entry: ${JSON.stringify(one)}`)
    })
  }
}
