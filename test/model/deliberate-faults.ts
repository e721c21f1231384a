/** One thing wrong with the product, as an edit of its source. */
export interface Fault {
  readonly name: string
  readonly file: string
  /** Occurs exactly once. */
  readonly from: string
  readonly to: string
}

/** What the model must see. Each is a check left out, a name or time not bound, or a step too late or too few. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'a service keeps no replay cache',
    file: 'service/replay-cache.ts',
    from: "return 'replay'",
    to: 'return undefined',
  },
  {
    name: 'the floor at the start lies below what was accepted before',
    file: 'shared/protocol/constants.ts',
    from: 'FLOOR_AT_START: 6_000',
    to: 'FLOOR_AT_START: 3_000',
  },
  {
    name: 'the floor does not rise with time',
    file: 'service/replay-floor.ts',
    from: '    this.raise(now - WINDOW.SERVICE_PAST)\n',
    to: '',
  },
  {
    name: 'stamps from far ahead are taken',
    file: 'service/replay-floor.ts',
    from: 'time - now > WINDOW.SERVICE_FUTURE',
    to: 'time - now > WINDOW.SERVICE_PAST',
  },
  {
    name: 'a stamp at the floor is taken',
    file: 'service/replay-floor.ts',
    from: 'return time <= this.#time ||',
    to: 'return time < this.#time ||',
  },
  {
    name: 'the MAC of a request is not compared',
    file: 'shared/protocol/ap.ts',
    from: "return isMac(key, 'ap-req', request.mac, request.covered)",
    to: "return isMac(key, 'ap-req', request.mac, request.covered) || request.mac.length > 0",
  },
  {
    name: "the request's hash is not compared",
    file: 'service/verify-request.ts',
    from: 'isSameBinding(binding, accepted.request.binding)',
    to: 'isSameBinding(binding, binding)',
  },
  {
    name: 'a sealed credential is not bound to its request',
    file: 'shared/protocol/http.ts',
    from: "  'orthrus-credential',\n",
    to: '',
  },
  {
    name: 'a ticket is good at the instant of its end',
    file: 'shared/protocol/ticket.ts',
    from: 'if (now >= endTime) {',
    to: 'if (now > endTime) {',
  },
  {
    name: 'an expires caveat holds at its very instant',
    file: 'shared/protocol/caveats.ts',
    from: 'return facts.now < caveat.time\n',
    to: 'return facts.now <= caveat.time\n',
  },
  {
    name: 'caveats in the ticket are not looked at',
    file: 'shared/protocol/leg.ts',
    from: '  requireCaveats(within, facts)\n',
    to: '',
  },
  {
    name: 'the first caveat presented is skipped',
    file: 'shared/protocol/leg.ts',
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
    file: 'shared/protocol/caveats.ts',
    from: "caveat.name !== 'claims' || caveat.claims.includes(name)",
    to: "caveat.name !== 'claims' || name !== ''",
  },
  {
    name: "the holder's name is not compared",
    file: 'shared/protocol/caveats.ts',
    from: 'return facts.holder === caveat.holder',
    to: 'return facts.holder !== undefined',
  },
  {
    name: 'whether a ticket may be delegated is not looked at',
    file: 'shared/protocol/leg.ts',
    from: 'if ((ticket.flags & FLAG.DELEGABLE) === 0)',
    to: 'if (ticket.flags < 0)',
  },
  {
    name: 'a delegated ticket needs no holder',
    file: 'shared/protocol/leg.ts',
    from: 'if (!caveats.some(isHolder))',
    to: 'if (caveats.length > 99 && !caveats.some(isHolder))',
  },
  {
    name: "the client's name in a delegation is not compared with the ticket's",
    file: 'shared/protocol/leg.ts',
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
    file: 'service/requirements.ts',
    from: 'if (has === undefined || !satisfies(has, value))',
    to: 'if (has !== undefined && !satisfies(has, value))',
  },
  {
    name: 'the KDC does not compare the MAC of a login',
    file: 'shared/protocol/as.ts',
    from: "if (isMac(key, 'as-req', request.mac, request.covered)) return",
    to: "if (isMac(key, 'as-req', request.mac, request.covered) || request.mac.length > 0) return",
  },
  {
    name: 'the TGS does not compare the MAC of a request',
    file: 'shared/protocol/tgs.ts',
    from: "if (isMac(key, 'tgs-req', request.mac, request.covered)) return",
    to: "if (isMac(key, 'tgs-req', request.mac, request.covered) || request.mac.length > 0) return",
  },
  {
    name: "the KDC's window is a millisecond wider",
    file: 'kdc/client-state.ts',
    from: 'if (Math.abs(time - now) <= WINDOW.KDC_SKEW) return',
    to: 'if (Math.abs(time - now) <= WINDOW.KDC_SKEW + 1) return',
  },
  {
    name: 'the cut-off of who was disabled is not looked at',
    file: 'kdc/client-state.ts',
    from: "  if (ticket.authTime <= client.cutOff) return 'was cut off after it logged in'\n",
    to: '',
  },
  {
    name: 'who is disabled keeps its tickets',
    file: 'kdc/admin/principals.ts',
    from: '    disabled: true,\n    cutOff,\n',
    to: '    disabled: true,\n',
  },
  {
    name: 'who is disabled may log in',
    file: 'kdc/client-state.ts',
    from: 'if (disabled) throw new',
    to: 'if (disabled && now < 0) throw new',
  },
  {
    name: 'there are tickets for a disabled service',
    file: 'kdc/policy.ts',
    from: "  if (facts.disabled) return unknown('the service is disabled')\n",
    to: '',
  },
  {
    name: 'a ticket may outlive its TGT',
    file: 'kdc/services.ts',
    from: 'const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt]',
    to: 'const ends = [expiry, client.expiresAt, service.expiresAt]',
  },
  {
    name: 'a ticket may outlive an expires caveat',
    file: 'kdc/services.ts',
    from: 'const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt]',
    to: 'const ends = [tgtEnd, client.expiresAt, service.expiresAt]',
  },
  {
    name: 'caveats of a TGT do not go on in its tickets',
    file: 'kdc/services.ts',
    from: 'caveats: [...caveats.filter(carriedOn).map(({ bytes }) => bytes), ...terms.caveats],',
    to: 'caveats: [...caveats.filter(() => false).map(({ bytes }) => bytes), ...terms.caveats],',
  },
  {
    name: 'a services caveat is not looked at',
    file: 'kdc/services.ts',
    from: '    !allowsService(\n',
    to: '    caveats.length > 99 &&\n    !allowsService(\n',
  },
  {
    name: 'a TGT under a caveat is renewed without it',
    file: 'kdc/tgs-exchange.ts',
    from: "  if (caveats.length > 0) throw notRenewable(tgt, 'is under a caveat')\n",
    to: '',
  },
  {
    name: 'a renewed TGT may outlive renewTill',
    file: 'kdc/tgt.ts',
    from: 'ends: [client.expiresAt, renewTill]',
    to: 'ends: [client.expiresAt]',
  },
  {
    name: "a login's reply is not bound to its request",
    file: 'shared/protocol/as.ts',
    from: 'return concatBytes(header(TYPE.AS_REP), sha256(request))',
    to: 'return concatBytes(header(TYPE.AS_REP), sha256(request.subarray(0, 0)))',
  },
  {
    name: 'a client does not compare the MAC of an answer',
    file: 'shared/protocol/ap.ts',
    from: "if (!isMac(key, 'ap-rep', mac, covered, answered)) {",
    to: "if (!isMac(key, 'ap-rep', mac, covered, answered) && mac.length === 0) {",
  },
  {
    name: "a client does not compare a response's hash",
    file: 'client/http-response.ts',
    from: 'if (!isSameBinding(binding, actual)) {',
    to: 'if (!isSameBinding(actual, actual)) {',
  },
  {
    name: 'a client does not compare the MAC of an error',
    file: 'shared/protocol/error.ts',
    from: "if (!isMac(key, 'error', mac, covered, requestMac)) {",
    to: "if (!isMac(key, 'error', mac, covered, requestMac) && mac.length === 0) {",
  },
  {
    name: 'a POST is sent anew on the word of anybody',
    file: 'client/answers.ts',
    from: "return { next: safe && resendable ? 'anew' : 'caller' }",
    to: "return { next: resendable && safe !== undefined ? 'anew' : 'caller' }",
  },
  {
    name: 'what ended long ago is called final',
    file: 'client/answers.ts',
    from: 'return time - endTime < WINDOW.EXPIRED_UNRECORDED',
    to: 'return time - endTime < Number.MAX_SAFE_INTEGER',
  },
]
