import type { ModelFault } from './model-fault.js'

/** Faults in how the KDC's word of what is revoked is kept, sent and taken, and in invitations. */
export const FEED_FAULTS: readonly ModelFault[] = [
  {
    name: 'an entry is skipped',
    file: 'service/feed/session.ts',
    from: '    target.apply(this.#logId, entry)\n',
    to: '    if (entry.seq % 2 === 0) target.apply(this.#logId, entry)\n',
  },
  {
    name: 'staleness is counted from the arrival of an answer',
    file: 'service/feed/freshness.ts',
    from: '    this.#sent = sent\n    this.#told =',
    to: '    this.#sent = sent && nowBy(this.#clock)\n    this.#told =',
  },
  {
    name: 'a service accepts before the KDC has said anything',
    file: 'service/feed/freshness.ts',
    from: 'this.#sent === undefined ? Number.POSITIVE_INFINITY',
    to: 'this.#sent === undefined ? 0',
  },
  {
    name: 'a revocation does not reach the log',
    file: 'kdc/admin/series.ts',
    from: '      changes: [writePrincipal({ version, record: amended }), ...ended.changes, ...changes],\n',
    to: '      changes: [writePrincipal({ version, record: amended }), ...ended.changes, ...changes.slice(0, 0)],\n',
  },
  {
    name: 'a used code still enrols',
    file: 'kdc/realm/invitation.ts',
    from: '  if (used >= uses) return',
    to: '  if (used > uses) return',
  },
  {
    name: 'a code that was withdrawn still enrols',
    file: 'kdc/realm/invitations.ts',
    from: '  return { ...record, disabled: true, invitation',
    to: '  return { ...record, disabled: false, invitation',
  },
  {
    name: 'a code has no end',
    file: 'kdc/realm/invitation.ts',
    from: "  if (expiresAt !== null && now >= expiresAt) return { how: 'expired'",
    to: "  if (expiresAt !== null && now < 0) return { how: 'expired'",
    // It is the end of its principal too, which whoever logs in as one that has ended is refused by.
    and: {
      file: 'kdc/realm/login.ts',
      from: 'if (expiresAt !== null && now >= expiresAt) {',
      to: 'if (expiresAt !== null && now < 0) {',
    },
  },
  {
    name: 'what the target had before a host joined stays good',
    foundAt: 406,
    file: 'kdc/realm/invited-keys.ts',
    from: 'const joined = withNewSeries(withPromotedKey(record, staged, use.at), random, use.at)',
    to: 'const joined = withPromotedKey(record, staged, use.at)',
  },
  {
    name: 'what is sealed for the target before a host joined stays good',
    foundAt: 302,
    file: 'kdc/realm/invited-keys.ts',
    from: "return [revocationOfSeries(record), { kind: 'key', principal: record.name, by: kvno - 1 }]",
    to: "return [revocationOfSeries(record), { kind: 'key', principal: null, by: kvno - 1 }]",
  },
  {
    name: 'an instance that exists is given to another host',
    file: 'kdc/realm/invited-keys.ts',
    from: '  if (!(await isAbandoned(vault, found, stagedBy, now))) throw taken(name)\n',
    to: '',
  },
  {
    name: 'a host outlives the end that its code gave it',
    file: 'kdc/realm/invited-keys.ts',
    from: 'principalsLife === null ? null : now + principalsLife',
    to: 'principalsLife === null ? null : now + 9 * principalsLife',
  },
  {
    name: 'a service forgets what another log has revoked',
    file: 'service/feed/revoked-set.ts',
    from: 'if (name === toHex(followed) || log.keepUntil >= now) continue',
    to: 'if (name === toHex(followed) || log.keepUntil >= now + 1e15) continue',
  },
  {
    name: 'a handler goes on under a ticket that was revoked',
    file: 'service/feed/service-feed.ts',
    from: 'this.#warnings.halfFull(this.#revoked.size)\n    this.#inFlight.look()\n',
    to: 'this.#warnings.halfFull(this.#revoked.size)\n',
  },
  {
    name: 'a POST that was begun is called revoked',
    file: 'service/request/revocation.ts',
    from: '  if (SAFE_METHODS.has(method)) return cause\n',
    to: '  if (method !== undefined) return cause\n',
  },
  {
    name: 'what a service saved counts as fresh when it starts',
    file: 'service/feed/service-feed.ts',
    from: 'const begin = startWithoutFeed ? nowBy(clock) : restored?.sent',
    to: 'const begin = startWithoutFeed || restored ? nowBy(clock) : undefined',
  },
]
