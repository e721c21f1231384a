import { ChannelOpener } from '../../../kdc/channel/channel-opener.js'
import {
  ADMIN_METHODS,
  CONCERNED_METHODS,
  INVITATION_METHODS,
  OWN_METHODS,
} from '../../../shared/administration/methods.js'
import { encodePolicyChange } from '../../../shared/administration/policy-change.js'
import { encodeNewPrincipal } from '../../../shared/administration/principals.js'
import { encodeRealmChanges } from '../../../shared/administration/realm.js'
import { encodePolicyRule, encodeRuleChange } from '../../../shared/administration/rules.js'
import type { AcceptedChannel } from '../../../shared/channel/accepted-channel.js'
import { decodeAnswer } from '../../../shared/channel/calls.js'
import { channelBinding, startChannel } from '../../../shared/channel/records.js'
import { TYPE } from '../../../shared/constants.js'
import { createMac, deriveAuthKey, deriveChannelKey, expand } from '../../../shared/crypto/derive.js'
import type { AuthKey } from '../../../shared/crypto/keys.js'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import { openError } from '../../../shared/encoding/error.js'
import { header, messageType } from '../../../shared/encoding/message.js'
import type { Pattern } from '../../../shared/pattern.js'
import type { Grant } from '../../../shared/ticket/grant.js'
import { invite } from '../../support/invitations.js'
import { ADDRESS, grantOf, type Identity, local, login, ruleOf, START } from '../../support/realm.js'
import { sealCounted } from '../../support/sealed.js'
import type { Entry, Measure } from '../entry.js'
import { join } from '../mutate.js'
import { caveatsIn, type KdcScene, kdcScene, requireExpected } from './kdc.js'
import { messageSeeds } from './messages.js'

/** What comes into the KDC over a channel, down to the arguments of every method. */

const NONCE = new Uint8Array(16).fill(12)

/** A client's ticket for `kdc@realm`, and where channels are opened with it. */
export interface ChannelScene extends KdcScene {
  readonly opener: ChannelOpener
  readonly grant: Grant
}

export async function channelScene(
  clientOf: (scene: KdcScene) => Identity | Promise<Identity>,
): Promise<ChannelScene> {
  const scene = await kdcScene()
  const opener = new ChannelOpener(scene.realm.context)
  const answer = await login(scene.realm, await clientOf(scene), { services: [local('kdc')] })
  return { ...scene, opener, grant: grantOf(answer, 1) }
}

export function openBody({ grant }: ChannelScene, nonce = NONCE): Value[] {
  return [grant.ticket, [], START, nonce, channelBinding(''), null]
}

export function openingOf({ grant }: ChannelScene, body: Uint8Array): { message: Uint8Array; key: AuthKey } {
  const key = deriveAuthKey(grant.key, caveatsIn(body))
  const message = join(header(TYPE.AP_OPEN), body)
  return { message: join(message, createMac(key, 'ap-req', message)), key }
}

interface OpenedChannel {
  readonly channel: AcceptedChannel | undefined
  readonly reply: Uint8Array
  /** What the KDC sent over it. */
  readonly sent: Uint8Array[]
}

async function opened(scene: ChannelScene, message: Uint8Array, measure: Measure): Promise<OpenedChannel> {
  const sent: Uint8Array[] = []
  const carrier = { send: async (record: Uint8Array) => void sent.push(record), ended: () => {} }
  const incoming = { bytes: message, address: ADDRESS, now: START }
  const { reply, channel } = await measure(() => scene.opener.open(incoming, carrier))
  return { channel, reply, sent }
}

function opening(scene: ChannelScene): Entry {
  const expires = encode(['expires', START + 60_000])
  return {
    name: 'KDC: an AP-OPEN whose MAC holds',
    form: 'list',
    seeds: [openBody(scene), openBody(scene).with(1, [expires]), openBody(scene).with(2, START - 60_000)].map(
      body => encode(body),
    ),
    run: async (body, measure) => {
      const { message, key } = openingOf(scene, body)
      const { channel, reply } = await opened(scene, message, measure)
      channel?.close()
      requireExpected(scene.realm)
      return messageType(reply) === TYPE.AP_ACCEPT
        ? 'opened'
        : openError(reply, key, message.subarray(-32)).code
    },
  }
}

/** An open channel, and both its sides as bytes. */
async function openChannel(scene: ChannelScene) {
  const { message, key } = openingOf(scene, encode(openBody(scene)))
  const { channel, reply, sent } = await opened(scene, message, take => take())
  if (channel === undefined) throw new Error('no channel')
  const sending = expand(deriveChannelKey(key, message, reply), 'client-to-service')
  const aad = header(TYPE.RECORD)
  return {
    channel,
    sent,
    client: startChannel('client', key, message, reply, 1024 * 1024),
    sealed: (plaintext: Uint8Array) => join(aad, sealCounted(sending, 0, aad, plaintext)),
  }
}

/** What came of a record: what the KDC answered inside the channel, or that it broke. */
async function receive(
  scene: ChannelScene,
  measure: Measure,
  recordOf: (sealed: (plaintext: Uint8Array) => Uint8Array) => Uint8Array,
): Promise<string> {
  const { channel, client, sent, sealed } = await openChannel(scene)
  const record = recordOf(sealed)
  await measure(() => channel.receive(record))
  channel.close()
  requireExpected(scene.realm)
  const [first] = sent
  if (first === undefined) return 'nothing'
  if (messageType(first) === TYPE.ERROR) return 'broken'
  const event = client.open(first)
  if (event?.kind !== 'message') return event?.kind ?? 'part'
  const answer = decodeAnswer(event.message)
  return 'code' in answer ? answer.code : `${answer.results.length} results`
}

function call(n: number, method: string, ...args: readonly Value[]): Uint8Array {
  return encode([n, method, ...args])
}

function recordInside(scene: ChannelScene): Entry {
  const message = call(1, 'show', 'web@demo.example')
  const of = (kind: number, payload: Uint8Array) => join(Uint8Array.of(kind), payload)
  return {
    name: 'KDC: inside of a record',
    form: 'bytes',
    seeds: [of(0, message), of(2, message), of(1, new Uint8Array()), of(2, new Uint8Array()), of(3, message)],
    run: (plaintext, measure) => receive(scene, measure, sealed => sealed(plaintext)),
  }
}

function recordAsItComes(scene: ChannelScene): Entry {
  return {
    name: 'KDC: a record as it comes',
    form: 'message',
    seeds: [join(header(TYPE.RECORD), new Uint8Array(40)), ...messageSeeds.slice(0, 4)],
    run: async (record, measure) => {
      const outcome = await receive(scene, measure, () => record)
      if (outcome !== 'broken') throw new Error(`a record that nobody sealed comes to: ${outcome}`)
      return outcome
    },
  }
}

const RULE = ruleOf('web/*', 'orders', {
  claims: [
    ['role', 'reader'],
    ['tenants', ['acme']],
  ],
  maxLife: 60_000,
  methods: ['GET'],
  paths: ['/orders'],
  delegable: true,
})
const PASSWORD = [17, 8, 1, new Uint8Array(16), new Uint8Array(32)]
const NAMES = { password: null, expiresAt: null, maxLife: 3_600_000, maxRenew: null }

const callSeeds = [
  call(1, 'show', local('admin')),
  call(2, 'add', ...encodeNewPrincipal({ principal: local('new'), ...NAMES })),
  call(3, 'add', local('bob'), PASSWORD, START + 1_000, null, null),
  call(4, 'list', null, 2),
  call(5, 'list', ['alice@demo.example'], 100),
  call(6, 'policy', null, 2),
  call(7, 'policy', ['*', 'orders@demo.example'], 1),
  call(8, 'allow', ...encodePolicyRule(RULE)),
  call(9, 'deny', ...encodePolicyRule({ ...RULE, effect: 'deny' })),
  call(10, 'forget', 'web@demo.example', 'orders@demo.example'),
  call(
    10,
    'apply-policy',
    ...encodePolicyChange({
      rules: [
        { before: RULE, after: null },
        { before: null, after: { ...RULE, client: '*' as Pattern } },
      ],
      members: [{ group: '@backend' as Pattern, principal: local('web'), joins: true }],
    }),
  ),
  call(10, 'group-add', '@backend', [local('web')]),
  call(10, 'members', '@backend', null, 5),
  call(11, 'allow', ...encodeRuleChange({ rule: RULE, before: null })),
  call(12, 'deny', ...encodeRuleChange({ rule: { ...RULE, effect: 'deny' }, before: RULE })),
  call(13, 'rule', 'web@demo.example', 'orders@demo.example'),
  call(14, 'keys'),
  call(15, 'next-key', 1),
  call(16, 'invite', 'web/*@demo.example', 3, START + 60_000, 3_600_000),
  call(17, 'invitations', null, 2),
  call(18, 'uninvite', 'invite-0123456789abcdef@demo.example'),
  call(16, 'revoke-ticket', new Uint8Array(16), 'web@demo.example'),
  call(17, 'followers', 0, 0),
  call(18, 'follow', new Uint8Array(16), 1, new Uint8Array(8)),
  call(19, 'alive'),
  call(20, 'seen', 1),
  call(21, 'rotate', local('krbtgt')),
  call(22, 'due', null, 2),
  call(24, 'reset-password', local('bob'), PASSWORD),
  call(25, 'new-password', ...PASSWORD),
  call(23, 'set-realm', encodeRealmChanges({ maxRenew: 3_600_000, rotation: { kdc: null } })),
  call(26, 'why', local('web'), local('orders'), null, 'GET', '/orders'),
  call(29, 'refusal', '0123456789ab', null),
  call(28, 'refusal', '0123456789ab', 7),
  call(27, 'why', local('admin'), local('kdc'), START, null, null),
  ...[...ADMIN_METHODS, ...OWN_METHODS, ...INVITATION_METHODS, ...CONCERNED_METHODS].map((method, i) =>
    call(30 + i, method, 'web@demo.example'),
  ),
]

/** What an administrator may do changes the realm, so it is made again from time to time. */
const CALLS_A_REALM = 64

const REVOKES = /revoke-(?:client|key|ticket)/

async function adminCall(): Promise<Entry> {
  let scene = await channelScene(({ realm }) => realm.admin)
  let calls = 0
  let hasRevoked = false
  return {
    name: 'KDC: a call of an administrator',
    form: 'list',
    seeds: callSeeds,
    run: async (message, measure) => {
      // What revokes may end the tickets of the administrator itself.
      if (++calls % CALLS_A_REALM === 0 || hasRevoked) scene = await channelScene(({ realm }) => realm.admin)
      hasRevoked = REVOKES.test(Buffer.from(message).toString('latin1'))
      return receive(scene, measure, sealed => sealed(join(Uint8Array.of(0), message)))
    },
  }
}

async function invitedCall(): Promise<Entry> {
  const invited = () =>
    channelScene(({ realm }) => invite(realm, 'orders/*', { uses: 1_000, principalsLife: 3_600_000 }))
  let scene = await invited()
  let calls = 0
  return {
    name: 'KDC: a call of an invitation',
    form: 'list',
    seeds: [call(1, 'enrol', null), call(2, 'enrol', 'host-a'), call(3, 'enrol', '$&'), call(4, 'keys')],
    run: async (message, measure) => {
      if (++calls % CALLS_A_REALM === 0) scene = await invited()
      return receive(scene, measure, sealed => sealed(join(Uint8Array.of(0), message)))
    },
  }
}

export async function kdcChannelEntries(): Promise<Entry[]> {
  const scene = await channelScene(({ realm }) => realm.admin)
  return [
    opening(scene),
    recordInside(await channelScene(({ web }) => web)),
    recordAsItComes(scene),
    await adminCall(),
    await invitedCall(),
  ]
}
