import type { ModelFault } from './model-fault.js'

/** Faults in what the KDC checks, what it grants, and how it keeps time. */
export const KDC_FAULTS: readonly ModelFault[] = [
  {
    name: 'the KDC does not compare the MAC of a login',
    file: 'shared/exchange/as.ts',
    from: "if (isMac(key, 'as-req', request.mac, request.covered)) return",
    to: "if (isMac(key, 'as-req', request.mac, request.covered) || request.mac.length > 0) return",
  },
  {
    name: 'the TGS does not compare the MAC of a request',
    file: 'shared/exchange/tgs.ts',
    from: "if (isMac(key, 'tgs-req', request.mac, request.covered)) return",
    to: "if (isMac(key, 'tgs-req', request.mac, request.covered) || request.mac.length > 0) return",
  },
  {
    name: "the KDC's window is a millisecond wider",
    file: 'kdc/exchange/client-state.ts',
    from: 'if (Math.abs(time - now) <= WINDOW.KDC_SKEW) return',
    to: 'if (Math.abs(time - now) <= WINDOW.KDC_SKEW + 1) return',
  },
  {
    name: 'the series that a ticket bears is not looked at',
    file: 'kdc/exchange/client-state.ts',
    from: "  if (!equalBytes(client.clientId, ticket.clientId)) return 'has had its tickets revoked since it logged in'\n",
    to: '',
  },
  {
    name: 'a principal that is disabled keeps its series of tickets',
    file: 'kdc/realm/principal.ts',
    from: 'return { ...record, clientId: random(SIZE.CLIENT_ID), changedAt: now }',
    to: 'return { ...record, clientId: random(SIZE.CLIENT_ID) && record.clientId, changedAt: now }',
  },
  {
    name: 'who is disabled may log in',
    file: 'kdc/realm/login.ts',
    from: 'if (disabled) throw new',
    to: 'if (disabled && now < 0) throw new',
  },
  {
    name: 'there are tickets for a disabled service',
    file: 'shared/administration/policy-decision.ts',
    from: "  if (facts.disabled) return unknown(rule, 'the service is disabled')\n",
    to: '',
  },
  {
    name: 'a ticket may outlive its TGT',
    file: 'kdc/issue/service-tickets.ts',
    from: 'const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt, terms.until]',
    to: 'const ends = [expiry, client.expiresAt, service.expiresAt, terms.until]',
  },
  {
    name: 'a ticket may outlive an expires caveat',
    foundAt: 205,
    file: 'kdc/issue/service-tickets.ts',
    from: 'const ends = [tgtEnd, expiry, client.expiresAt, service.expiresAt, terms.until]',
    to: 'const ends = [tgtEnd, client.expiresAt, service.expiresAt, terms.until]',
  },
  {
    name: 'caveats of a TGT do not go on in its tickets',
    file: 'kdc/issue/service-tickets.ts',
    from: '...caveats.filter(carried => isCarriedOn(carried, service)).map(({ bytes }) => bytes),',
    to: '...caveats.filter(carried => isCarriedOn(carried, service) && false).map(({ bytes }) => bytes),',
  },
  {
    name: 'a services caveat is not looked at',
    file: 'kdc/issue/service-tickets.ts',
    from: '    !allowsService(\n',
    to: '    caveats.length > 99 &&\n    !allowsService(\n',
  },
  {
    name: 'a services caveat allows none',
    file: 'kdc/issue/service-tickets.ts',
    from: '    !allowsService(\n',
    to: "    caveats.some(({ caveat }) => caveat.name === 'services') ||\n    !allowsService(\n",
  },
  {
    name: 'a TGT under a caveat is renewed without it',
    file: 'kdc/exchange/tgs.ts',
    from: "  if (caveats.length > 0) throw notRenewable(tgt, 'has a caveat')\n",
    to: '',
  },
  {
    name: 'a renewed TGT may outlive renewTill',
    file: 'kdc/issue/tgt.ts',
    from: 'ends: [client.expiresAt, renewTill]',
    to: 'ends: [client.expiresAt]',
  },
  {
    name: 'KDC time stands still',
    file: 'kdc/realm/kdc-time.ts',
    from: '    return Math.floor(this.#watch.read())\n',
    to: '    this.#first ??= Math.floor(this.#watch.read())\n    return this.#first\n  }\n  #first: number | undefined\n  other(): number {\n    return 0\n',
  },
]
