import type { DeliberateFault } from '../deliberate-faults.js'

/** Faults in what services check, and in the keys and caveats that they check it by. */
export const SERVICE_FAULTS: readonly DeliberateFault[] = [
  {
    name: 'a service keeps no replay cache',
    file: 'service/replay/replay-cache.ts',
    from: "return 'replay'",
    to: 'return undefined',
  },
  {
    name: 'the floor at the start lies below what was accepted before',
    file: 'shared/constants/windows.ts',
    from: 'FLOOR_AT_START = 6_000',
    to: 'FLOOR_AT_START = 3_000',
  },
  {
    name: 'the floor does not rise with time',
    file: 'service/replay/replay-floor.ts',
    from: '    this.raise(now - WINDOW.SERVICE_PAST)\n',
    to: '',
  },
  {
    name: 'stamps from far ahead are taken',
    file: 'service/replay/replay-floor.ts',
    from: 'time - now > WINDOW.SERVICE_FUTURE',
    to: 'time - now > WINDOW.SERVICE_PAST',
  },
  {
    name: 'a stamp at the floor is taken',
    file: 'service/replay/replay-floor.ts',
    from: 'return time <= this.#time ||',
    to: 'return time < this.#time ||',
  },
  {
    name: 'the MAC of a request is not compared',
    file: 'shared/exchange/ap.ts',
    from: "if (isMac(key, 'ap-req', request.mac, request.covered))",
    to: "if (isMac(key, 'ap-req', request.mac, request.covered) || request.mac.length > 0)",
  },
  {
    name: "the request's hash is not compared",
    file: 'shared/accept/accept.ts',
    from: 'equalBytes(binding, accepted.request.binding)',
    to: 'equalBytes(binding, binding)',
  },
  {
    name: 'a sealed credential is not bound to its request',
    file: 'shared/http/header-names.ts',
    from: "  'orthrus-credential',\n",
    to: '',
  },
  {
    name: 'a hand-off travels unsealed',
    file: 'shared/ticket/credential.ts',
    from: "return seal(key, 'hand-off', handOffAad(nonce), encodeCredential(credential), random)",
    to: 'return encodeCredential(credential)',
  },
  {
    name: 'the proof of an answer is the key that it is under',
    file: 'shared/crypto/derive.ts',
    from: 'return hmacSha256(expand(key, usage), ...parts)',
    to: "return usage === 'ap-rep' ? revealKey(key) : hmacSha256(expand(key, usage), ...parts)",
  },
  {
    name: 'a ticket is good at the instant of its end',
    file: 'shared/ticket/validity.ts',
    from: 'if (endClock >= endTime) {',
    to: 'if (endClock > endTime) {',
  },
  {
    name: 'an expires caveat holds at its very instant',
    file: 'shared/ticket/caveats.ts',
    from: 'return facts.now < caveat.time\n',
    to: 'return facts.now <= caveat.time\n',
  },
  {
    name: 'caveats in the ticket are not looked at',
    file: 'shared/accept/presented-ticket.ts',
    from: '  requireCaveats(within, facts)\n',
    to: '',
  },
  {
    name: 'the first caveat presented is skipped',
    file: 'shared/accept/presented-ticket.ts',
    from: 'for (const caveat of own) {',
    to: 'for (const caveat of own.slice(1)) {',
  },
  {
    name: 'a caveat is not bound into the chain',
    file: 'shared/crypto/derive.ts',
    from: 'hmacSha256(revealKey(key), CAVEAT, ZERO, caveat)',
    to: 'hmacSha256(revealKey(key), CAVEAT, ZERO)',
  },
  {
    name: 'the key of a closed chain is that of an open one',
    file: 'shared/crypto/derive.ts',
    from: "return new AuthKey(expand(key, 'auth'))",
    to: 'return new AuthKey(revealKey(key))',
  },
  {
    name: 'claims that a caveat withholds are told',
    file: 'shared/ticket/caveats.ts',
    from: "caveat.name !== 'claims' || caveat.claims.includes(name)",
    to: "caveat.name !== 'claims' || name !== ''",
  },
  {
    name: "the holder's name is not compared",
    file: 'shared/ticket/caveats.ts',
    from: 'return facts.holder === caveat.holder',
    to: 'return facts.holder !== undefined',
  },
  {
    name: 'whether a ticket may be delegated is not looked at',
    file: 'shared/accept/presented-ticket.ts',
    from: 'if ((ticket.flags & FLAG.DELEGABLE) === 0)',
    to: 'if (ticket.flags < 0)',
  },
  {
    name: 'a delegated ticket for somebody by name is refused',
    file: 'shared/accept/presented-ticket.ts',
    from: 'if (!caveats.some(isHolder))',
    to: 'if (caveats.length >= 0)',
  },
  {
    name: 'a delegated ticket needs no holder',
    file: 'shared/accept/presented-ticket.ts',
    from: 'if (!caveats.some(isHolder))',
    to: 'if (caveats.length > 99 && !caveats.some(isHolder))',
  },
  {
    name: "the client's name in a delegation is not compared with the ticket's",
    file: 'shared/accept/presented-ticket.ts',
    from: 'if (request.delegated?.client !== ticket.client)',
    to: 'if (request.delegated?.client === undefined)',
  },
  {
    name: 'who has one key of a delegation needs no other',
    file: 'shared/crypto/derive.ts',
    from: 'hmacSha256(revealKey(own), BOTH, ZERO, revealKey(delegated))',
    to: 'hmacSha256(revealKey(own), BOTH, ZERO)',
  },
  {
    name: 'a handler asks for claims and gets none',
    file: 'service/request/requirements.ts',
    from: 'if (has === undefined || !satisfies(has, value))',
    to: 'if (has !== undefined && !satisfies(has, value))',
  },
]
