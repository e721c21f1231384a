import { describe, expect, it } from 'vitest'
import { encode, type Value } from '../../../shared/encoding/encoding.js'
import {
  type Asked,
  decodeReply,
  encodeReply,
  type Reply,
  requireAnswers,
} from '../../../shared/exchange/reply.js'
import { type Principal, parsePrincipal } from '../../../shared/principal.js'
import type { Grant } from '../../../shared/ticket/grant.js'

import { grantFor, NOW } from '../ticket/grant-for.js'

/** What a KDC's reply must be for its client to believe it: each answer, each bound of time. */

const WEB = parsePrincipal('web@demo.example')
const TGS = parsePrincipal('krbtgt@demo.example')
const ORDERS = parsePrincipal('orders@demo.example')
const BILLING = parsePrincipal('billing@demo.example')
const malformed = expect.objectContaining({ code: 'malformed' })

describe('the plaintext of a reply', () => {
  const reply = { time: NOW, grants: [], denials: [{ service: ORDERS, code: 'policy_denied' }] } as const

  it('is read as it was written', () => {
    expect(decodeReply(encodeReply(reply))).toEqual(reply)
  })

  it.each<[string, Value[]]>([
    ['no time', [null, [], []]],
    ['no list of grants', [NOW, null, []]],
    ['a grant that is none', [NOW, [[]], []]],
    ['no list of denials', [NOW, [], null]],
    ['a field less', [NOW, []]],
    ['a field more', [NOW, [], [], 1]],
    ['a denial without a code', [NOW, [], [[ORDERS]]]],
    ['a denial with more', [NOW, [], [[ORDERS, 'policy_denied', 1]]]],
    ['a denial of what is no principal', [NOW, [], [['orders', 'policy_denied']]]],
    ['a code that does not exist', [NOW, [], [[ORDERS, 'refused']]]],
    ['a code of one side only', [NOW, [], [[ORDERS, 'password_wrong']]]],
    ['a code that every object has', [NOW, [], [[ORDERS, 'constructor']]]],
    ['a code that is a number', [NOW, [], [[ORDERS, 1]]]],
  ])('has not %s', (_, body) => {
    expect(() => decodeReply(encode(body))).toThrow(malformed)
  })
})

/** The tickets to answer with. */
interface Grants {
  readonly tgt: Grant
  readonly orders: Grant
  readonly billing: Grant
}

describe('a reply to two services and a TGT', () => {
  const asked: Asked = { client: WEB, withTgt: true, services: [ORDERS, BILLING], lifetime: 0 }
  const grants = (): Grants => ({ tgt: grantFor(TGS), orders: grantFor(ORDERS), billing: grantFor(BILLING) })
  const whole = ({ tgt, orders, billing }: Grants): Reply => ({
    time: NOW,
    grants: [tgt, orders, billing],
    denials: [],
  })
  const deny = (...services: Principal[]) =>
    services.map(service => ({ service, code: 'policy_denied' as const }))

  it.each<[string, (grants: Grants) => Partial<Reply>, Partial<Asked>, boolean]>([
    ['all granted', () => ({}), {}, true],
    ['one denied', ({ tgt, billing }) => ({ grants: [tgt, billing], denials: deny(ORDERS) }), {}, true],
    ['both denied', ({ tgt }) => ({ grants: [tgt], denials: deny(BILLING, ORDERS) }), {}, true],
    [
      'no TGT asked for and none there',
      ({ orders, billing }) => ({ grants: [orders, billing] }),
      { withTgt: false },
      true,
    ],
    ['nothing asked, nothing there', () => ({ grants: [] }), { withTgt: false, services: [] }, true],
    ['one granted and denied', () => ({ denials: deny(ORDERS) }), {}, false],
    [
      'one denied twice',
      ({ tgt, billing }) => ({ grants: [tgt, billing], denials: deny(ORDERS, ORDERS) }),
      {},
      false,
    ],
    ['one neither granted nor denied', ({ tgt, orders }) => ({ grants: [tgt, orders] }), {}, false],
    ['a denial of what was not asked for', () => ({ denials: deny(WEB) }), {}, false],
    ['the TGT granted and denied', () => ({ denials: deny(TGS) }), {}, false],
    ['a grant of what was not asked for', () => ({}), { services: [ORDERS] }, false],
    ['one granted twice', ({ tgt, orders }) => ({ grants: [tgt, orders, orders] }), {}, false],
    [
      'services in another order',
      ({ tgt, orders, billing }) => ({ grants: [tgt, billing, orders] }),
      {},
      false,
    ],
    [
      'the TGT behind the services',
      ({ tgt, orders, billing }) => ({ grants: [orders, billing, tgt] }),
      {},
      false,
    ],
    ['a TGT that nobody asked for', () => ({}), { withTgt: false }, false],
    ['a TGT of another realm', () => ({}), { client: parsePrincipal('web@other.example') }, false],
  ])('%s', (_, reply, question, believed) => {
    const some = grants()
    const check = () => requireAnswers({ ...whole(some), ...reply(some) }, { ...asked, ...question })
    if (believed) expect(check).not.toThrow()
    else expect(check).toThrow(malformed)
  })

  it.each<[string, () => Partial<Grant>, number, boolean]>([
    ['as long as asked', () => ({ endTime: NOW + 5_000 }), 5_000, true],
    ['1 ms longer than asked', () => ({ endTime: NOW + 5_001 }), 5_000, false],
    ['1 ms long, where 1 ms was asked', () => ({ endTime: NOW + 1 }), 1, true],
    ['2 ms long, where 1 ms was asked', () => ({ endTime: NOW + 2 }), 1, false],
    ['of any length, where the most was asked', () => ({ endTime: 2 ** 53 - 1 }), 0, true],
    ['of no length', () => ({ startTime: NOW, endTime: NOW }), 0, true],
    ['ended before its start', () => ({ startTime: NOW, endTime: NOW - 1 }), 0, false],
    ['of another service inside', () => ({ ticket: grantFor(BILLING).ticket }), 0, false],
    ['no ticket inside', () => ({ ticket: new Uint8Array(9) }), 0, false],
  ])('with a ticket %s', (_, more, lifetime, believed) => {
    const reply: Reply = { time: NOW, grants: [grantFor(ORDERS, more())], denials: [] }
    const check = () => requireAnswers(reply, { ...asked, withTgt: false, services: [ORDERS], lifetime })
    if (believed) expect(check).not.toThrow()
    else expect(check).toThrow(malformed)
  })
})
