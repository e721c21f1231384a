import { Administration } from '../../../client/channel/administration.js'
import { enrol } from '../../../client/channel/invitations.js'
import { openKdcChannel } from '../../../client/channel/kdc-channel.js'
import { changePassword, ownKeys, stageNextKey } from '../../../client/channel/own-keys.js'
import { encodeGroupsOfPrincipal, encodeMoved } from '../../../shared/administration/groups.js'
import {
  encodeEnrolled,
  encodeInvitationSummary,
  encodeMadeInvitation,
} from '../../../shared/administration/invitations.js'
import {
  encodeDueKey,
  encodeOwnKeys,
  encodeReplacedKey,
  encodeStagedKey,
} from '../../../shared/administration/keys.js'
import {
  encodeAddedPrincipal,
  encodePrincipalSummary,
  NO_LIMITS,
} from '../../../shared/administration/principals.js'
import { encodeRealmSummary } from '../../../shared/administration/realm.js'
import { encodeRefusals, type KeptRefusal } from '../../../shared/administration/refusals.js'
import { encodeFollowers, encodeKeyRevoked } from '../../../shared/administration/revocations.js'
import { encodePolicyRule } from '../../../shared/administration/rules.js'
import { encodeWhy, type Why } from '../../../shared/administration/why.js'
import { decodeAnswer, encodeAnswer, resultsOf } from '../../../shared/channel/calls.js'
import { TYPE } from '../../../shared/constants.js'
import { deriveAuthKey, deriveChannelKey, expand } from '../../../shared/crypto/derive.js'
import { LongTermKey } from '../../../shared/crypto/keys.js'
import { decode, type Value } from '../../../shared/encoding/encoding.js'
import { header } from '../../../shared/encoding/message.js'
import { createApAccept } from '../../../shared/exchange/ap.js'
import type { Pattern } from '../../../shared/pattern.js'
import { realmOf } from '../../../shared/principal.js'
import { decodeTicket, openTicket } from '../../../shared/ticket/ticket.js'
import { type FakeKdc, KDC, WEB } from '../../client/fake-kdc.js'
import { pattern, ruleOf } from '../../support/realm.js'
import { sealCounted } from '../../support/sealed.js'
import { asyncOutcomeOf, type Entry } from '../entry.js'
import { join } from '../mutate.js'
import { type ClientScene, CODES, SALT } from './client-scene.js'
import { caveatsIn } from './kdc.js'

/** What a KDC says to a client inside a channel, down to the results of administration. */

/** The id of the frame that opens the channel: a ticket is asked for before. */
const OPENING = Uint8Array.of(0, 0, 0, 2)

/** What the KDC answers to an opening, and then says inside the channel. */
export function channel(scene: ClientScene): Entry {
  const { kdc } = scene
  const ok = encodeAnswer({ n: 1, results: ['x'] })
  return {
    name: 'client: inside of a record of a KDC',
    form: 'bytes',
    seeds: [
      join(Uint8Array.of(0), ok),
      join(Uint8Array.of(2), ok.subarray(0, 3)),
      Uint8Array.of(1),
      join(Uint8Array.of(0), encodeAnswer({ n: 1, code: 'malformed', message: 'no' })),
    ],
    quick: 25,
    run: async (plaintext, measure) => {
      kdc.intercept = (_, honest) => honest()
      let record: Uint8Array = new Uint8Array()
      kdc.accept = honestAccept(scene, key => {
        const sending = expand(key, 'service-to-client')
        const aad = header(TYPE.RECORD)
        record = join(aad, sealCounted(sending, 0, aad, plaintext))
      })
      const realm = await scene.connect()
      try {
        return await asyncOutcomeOf(async () => {
          const opened = await scene.patient(openKdcChannel(realm))
          await measure(() => {
            const answered = opened.call('show', ['x'])
            // Before the call, it would answer something that was not asked.
            setImmediate(() => kdc.sendRaw(join(OPENING, record)))
            return scene.patient(answered)
          })
          opened.close()
        }, CODES)
      } finally {
        realm.close()
      }
    },
  }
}

/**
 * Answers an opening correctly.
 * @param opened gets the key of the channel
 */
function honestAccept(
  scene: ClientScene,
  opened: (key: ReturnType<typeof deriveChannelKey>) => void,
): FakeKdc['accept'] {
  const { kdc } = scene
  return bytes => {
    const [ticket] = decode(bytes.subarray(2, -32))
    const sealed = decodeTicket(ticket as Uint8Array)
    const key = deriveAuthKey(openTicket(sealed, kdc.keyOf(KDC)).key, caveatsIn(bytes.subarray(2, -32)))
    const reply = createApAccept(key, bytes.subarray(-32), { time: scene.time.now(), nonce: SALT })
    opened(deriveChannelKey(key, bytes, reply))
    return { reply }
  }
}

async function allOf(rows: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of rows);
}

const FOLLOWER = { principal: WEB, address: '192.0.2.1', seen: 7, sent: 8, connected: true, silentFor: 3 }

const PARTY = {
  keys: [{ kvno: 2, state: 'current', createdAt: 5 }],
  due: 6,
  passwordBased: false,
  disabled: false,
  expiresAt: null,
  revokedAt: 7,
  revokedKvno: 1,
} as const

const REFUSAL: KeptRefusal = {
  id: '0123456789ab',
  at: 5,
  exchange: 'TGS',
  client: WEB,
  claimed: null,
  service: WEB,
  code: 'policy_denied',
  reason: 'no',
  rule: { client: pattern('web'), service: pattern('*'), effect: 'deny' },
  hint: null,
}

const WHY: Why = {
  at: 9,
  code: null,
  reason: '',
  scope: 'everything',
  client: PARTY,
  service: PARTY,
  rules: [{ rule: ruleOf('web', 'orders'), fate: 'decides' }],
  ticket: {
    endTime: 10,
    limits: [['realm', 1]],
    claims: [['a', ['b']]],
    caveats: [new Uint8Array(3)],
    delegable: true,
    passwordBased: false,
    refusal: { caveat: 'methods', reason: 'no' },
  },
  followers: [FOLLOWER],
  rate: { points: 5, interval: 60_000, left: 4, wait: 0 },
  endedSince: 3,
}

const PASSWORD = {
  parameters: { log2N: 17, r: 8, p: 1, salt: new Uint8Array(16) },
  key: new LongTermKey(new Uint8Array(32)),
}

const SETTINGS = {
  realm: realmOf(WEB),
  maxTgtLife: 1,
  maxServiceLife: 2,
  maxRenew: 3,
  longestLife: 4,
  rotation: { krbtgt: 5, kdc: null, principals: null },
  survive: null,
  createdAt: 6,
}
const KEY = new LongTermKey(new Uint8Array(32))
const INVITATION = {
  invitation: WEB,
  target: pattern('orders/*'),
  uses: 3,
  endsAt: 9,
  principalsLife: null,
  createdAt: 5,
  used: 1,
  staged: 1,
  withdrawn: false,
  lastUsedAt: 6,
  lastUsedFrom: '192.0.2.1',
} as const

export function administration(): Entry {
  const rule = encodePolicyRule(
    ruleOf('web', 'orders', {
      claims: [['a', ['b']]],
      paths: ['/x'],
      until: 9,
      rate: { points: 1, interval: 5 },
    }),
  )
  const summary = encodePrincipalSummary({
    principal: WEB,
    kvnos: [2, 1],
    keyCreatedAt: 4,
    passwordBased: false,
    disabled: true,
    expiresAt: null,
    maxLife: 1,
    maxRenew: null,
    createdAt: 5,
    changedAt: 6,
    groups: ['@backend' as Pattern],
  })
  const answer = (...results: Value[]) => encodeAnswer({ n: 1, results })
  return {
    name: 'client: the results of administration',
    form: 'list',
    seeds: [
      answer(summary),
      answer([summary, summary]),
      answer([rule]),
      answer(rule),
      answer([encodeGroupsOfPrincipal({ principal: WEB, groups: ['@backend' as Pattern] })]),
      answer(...encodeMoved([WEB])),
      answer(null),
      answer(...encodeAddedPrincipal({ kvno: 1, key: new LongTermKey(new Uint8Array(32)) })),
      answer(...encodeOwnKeys({ keys: [{ kvno: 2, state: 'next', createdAt: 5 }], due: 6 })),
      answer([encodeDueKey({ principal: WEB, kvno: 1, createdAt: 5, due: 6, askedAt: null })]),
      answer(encodeRealmSummary(SETTINGS)),
      answer(2),
      answer(...encodeReplacedKey({ kvno: 2, key: new LongTermKey(new Uint8Array(32)), seq: 3 })),
      answer(...encodeMadeInvitation({ invitation: { principal: WEB, kvno: 1, key: KEY }, endsAt: 5 })),
      answer([encodeInvitationSummary(INVITATION)]),
      answer(...encodeEnrolled({ principal: WEB, kvno: 1, key: KEY })),
      answer(...encodeStagedKey({ kvno: 3, salt: new Uint8Array(32) })),
      answer(7),
      answer(...encodeKeyRevoked({ kvno: 2, seq: 7 })),
      answer(...encodeFollowers({ rows: [FOLLOWER], applied: 1, silent: 0, keptFor: 5 })),
      answer(...encodeRefusals({ refusals: [REFUSAL], next: null, since: 7 })),
      answer(...encodeWhy(WHY)),
      answer(
        ...encodeWhy({
          ...WHY,
          code: 'policy_denied',
          reason: 'no',
          client: null,
          service: null,
          rules: [{ rule: { ...ruleOf('web', 'orders'), until: 8 }, fate: 'ended' }],
          ticket: null,
          rate: null,
          endedSince: null,
        }),
      ),
      encodeAnswer({ n: 1, code: 'not_authorized', message: 'no' }),
    ],
    run: async (bytes, measure) => {
      const NEW = { principal: WEB, password: null, ...NO_LIMITS }
      const of = () => {
        let isFirst = true
        return new Administration({
          call: async () => {
            if (!isFirst) return [[]]
            isFirst = false
            return resultsOf(decodeAnswer(bytes))
          },
        })
      }
      const deeds: (() => Promise<unknown>)[] = [
        () => of().show(WEB),
        () => of().add(NEW),
        () => allOf(of().list()),
        () => allOf(of().policy()),
        () => of().rule(pattern('web'), pattern('orders')),
        () => of().why({ client: WEB, service: WEB, at: null, method: null, path: null }),
        () => of().refusals('0123456789ab'),
        () => of().keys.rotate(WEB),
        () => of().keys.replace(WEB),
        () => of().keys.resetPassword({ principal: WEB, password: PASSWORD }),
        () => changePassword({ call: async () => resultsOf(decodeAnswer(bytes)) }, PASSWORD),
        () => allOf(of().keys.due()),
        () => of().settings.show(),
        () => allOf(of().groups.members()),
        () => of().groups.add({ group: '@backend' as Pattern, principals: [WEB] }),
        () => of().invitations.make(INVITATION),
        () => allOf(of().invitations.list()),
        () => enrol({ call: async () => resultsOf(decodeAnswer(bytes)) }, null),
        () => ownKeys({ call: async () => resultsOf(decodeAnswer(bytes)) }),
        () => stageNextKey({ call: async () => resultsOf(decodeAnswer(bytes)) }, 1),
        () => of().revocations.client(WEB),
        () => of().revocations.key(WEB),
        () => of().revocations.followers({ seq: 1, wait: 0 }),
      ]
      const said: string[] = []
      for (const deed of deeds) said.push(await asyncOutcomeOf(() => measure(deed), CODES))
      return said.join(' ')
    },
  }
}
