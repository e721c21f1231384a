import type { DeliberateFault } from '../deliberate-faults.js'

/** A fault, and how the simulation reports it. */
export interface SimulatedFault extends DeliberateFault {
  readonly says: RegExp
  /** Whether it shows only where keys change. */
  readonly isOfKeys?: true
}

const ATTEMPTS = /attempts: #\d+/
const NOT_FINAL = /attempts: #\d+ went out again as a new request, not safe, after .*, which was not final/
const TWICE = /handled twice: /
const NOT_SENT = /handled what nobody sent: /
const WRONG_ANSWER = /wrong answer: #\d+/
const WRONG = /told wrong: #\d+/
/** Not what is only counted, such as `on recovery: unavailable`. */
const RECOVERY = /recovery: (?:#\d+ after a success|\S+ is not served by|a service stays behind)/
const REVOKED = /revoked: \w+ accepts a ticket/
const ROTATION = /rotation: #\d+ while keys changed/
const JOIN = /join: (?:\d of two hosts|a host is wrong)/
const ENDLESS = /never ends: #\d+/

/** Faults in clients and services that somebody could easily make; each breaks a promise of section 8. */
export const FAULTS: readonly SimulatedFault[] = [
  {
    name: 'the client takes every request for a safe one',
    file: 'client/request/fetch.ts',
    from: 'safe: repeatable || SAFE_METHODS.has(request.method),',
    to: 'safe: true,',
    says: ATTEMPTS,
  },
  {
    name: 'the client sends again when no answer comes',
    file: 'client/request/fetch.ts',
    from: '    throw await noAnswer(cause, { url, service: presented.service, isStreamed: request.isStreamed })\n',
    to: '    return send(exchanges, request, presented, options)\n',
    says: ATTEMPTS,
  },
  {
    name: 'the client repeats whatever an unproved ticket_invalid came for',
    file: 'client/request/recovery.ts',
    from: "return { ...TO_CALLER, ...renewedIf(refused), replace: 'unproved' }",
    to: "return { ...TO_CALLER, next: 'renewed', replace: 'unproved' }",
    says: ATTEMPTS,
  },
  {
    name: 'the client believes every ERROR',
    file: 'client/request/recovery.ts',
    from: '  if (!error.authenticated) return unproved(error.code, refused)\n',
    to: '',
    says: ATTEMPTS,
  },
  {
    name: 'the client sends again what is stamped at or below the floor',
    file: 'client/request/recovery.ts',
    from: '  if (stamp <= floor) return kept\n',
    to: '',
    says: ATTEMPTS,
  },
  {
    name: 'the client gives a new stamp to what was too early, though it is not safe',
    file: 'client/request/recovery.ts',
    from: "return after(kept, 'same', stamp",
    to: "return after(kept, 'renewed', stamp",
    says: ATTEMPTS,
  },
  {
    name: 'the client calls an ended ticket final, however long ago it ended',
    file: 'client/request/recovery.ts',
    from: 'return time - endTime < WINDOW.EXPIRED_UNRECORDED',
    to: 'return time - endTime < Number.MAX_SAFE_INTEGER',
    // Whichever comes first: what the client does about it, or what it says.
    says: /handled twice: |told wrong: #\d+|which was not final/,
  },
  {
    name: 'the client sends a POST as a new request though an unproved ticket_expired came for it',
    file: 'client/request/recovery.ts',
    from: "  if (code !== 'ticket_invalid') return TO_CALLER\n",
    to: "  if (code === 'ticket_expired') return ofNoUse(refused, true)\n  if (code !== 'ticket_invalid') return TO_CALLER\n",
    says: ATTEMPTS,
  },
  {
    name: 'the client sends a POST as a new request though its ticket had ended long before',
    file: 'client/request/recovery.ts',
    from: 'const next = renewedIf({ ...refused, safe: refused.safe || final })',
    to: 'const next = renewedIf({ ...refused, safe: true })',
    says: NOT_FINAL,
  },
  {
    name: 'the client sends a POST as a new request after a replay',
    file: 'client/request/recovery.ts',
    from: '      return { ...TO_CALLER, ...renewedIf(refused) }\n',
    to: '      return { ...TO_CALLER, ...renewedIf({ ...refused, safe: true }) }\n',
    says: ATTEMPTS,
  },
  {
    name: 'the client sends a refused request as a new one more than once',
    file: 'client/request/presenter.ts',
    from: '    const answer = answerTo(refused.error, { ...factsOf(use, presented), resendable: false })\n',
    to: "    const answer = answerTo(refused.error, { ...factsOf(use, presented), resendable: true })\n    if (answer.next === 'renewed') return this.#presentRenewed(use, answer)\n",
    says: ATTEMPTS,
  },
  {
    name: 'the client calls a replay final',
    file: 'client/request/recovery.ts',
    from: 'return { ...TO_CALLER, ...renewedIf(refused) }',
    to: 'return { ...TO_CALLER, ...renewedIf(refused), final: true }',
    says: WRONG,
  },
  {
    name: 'the client keeps the first time that a service told, for good',
    file: 'client/request/service-times.ts',
    from: '    this.#kept.set(service,',
    to: '    if (this.#kept.peek(service) === undefined) this.#kept.set(service,',
    says: RECOVERY,
  },
  {
    name: 'the client never replaces a ticket that was not taken',
    file: 'client/request/presenter.ts',
    from: "    if (replace === 'no' || own === undefined) return\n",
    to: '    return\n',
    says: RECOVERY,
  },
  {
    name: 'the client does not look at what a proof covers',
    file: 'client/request/response-proof.ts',
    from: 'bindings.some(binding => isSameBinding(binding, actual))',
    to: 'bindings.some(binding => isSameBinding(binding, binding))',
    says: WRONG_ANSWER,
  },
  {
    name: 'the proof of one request does for another',
    file: 'shared/exchange/ap.ts',
    from: "if (!isMac(key, 'ap-rep', mac, covered, answered)) {",
    to: "if (!isMac(key, 'ap-rep', mac, covered, answered) && mac.length === 0) {",
    says: WRONG_ANSWER,
  },
  {
    name: 'the client waits for the KDC without end',
    file: 'client/kdc-link/connection.ts',
    from: '    waiting.reject(failure)\n',
    to: '    void failure\n',
    says: ENDLESS,
  },
  {
    name: 'the service records a request after others have come',
    file: 'service/replay/replay-cache.ts',
    from: '    this.#entries.insert(key, time, presenter)\n',
    to: '    setImmediate(() => {\n      this.#entries.insert(this.#entries.keyOf(id), time, presenter)\n    })\n',
    says: TWICE,
  },
  {
    name: 'the service starts without a floor',
    file: 'shared/constants/windows.ts',
    from: 'FLOOR_AT_START = 6_000',
    to: 'FLOOR_AT_START = -60_000',
    says: TWICE,
  },
  {
    name: 'the service drops a bucket and leaves the floor',
    file: 'service/replay/replay-cache.ts',
    from: 'this.#floor.raise(this.#entries.dropOldest())',
    to: 'this.#entries.dropOldest()',
    says: TWICE,
  },
  {
    name: 'the service does not compare the binding',
    file: 'shared/accept/accept.ts',
    from: 'if (equalBytes(binding, accepted.request.binding))',
    to: 'if (binding !== undefined)',
    says: NOT_SENT,
  },
  {
    name: 'the service never finds what it knows of revocations too old',
    file: 'service/feed/service-feed.ts',
    from: 'if (age <= this.#maxStaleness) return undefined',
    to: 'if (age <= 99 * this.#maxStaleness) return undefined',
    says: REVOKED,
    isOfKeys: true,
  },
  {
    name: 'the service goes on with the keys that it had',
    file: 'client/rotation/rotate.ts',
    from: '    onKeys?.(result.keys, result.told)\n',
    to: '',
    says: ROTATION,
    isOfKeys: true,
  },
  {
    name: 'the service drops its old key with the first that follows it',
    file: 'client/rotation/key-round.ts',
    from: '      keys: left as unknown as OwnKeys,\n',
    to: '      keys: left.slice(0, 1) as unknown as OwnKeys,\n',
    says: ROTATION,
    isOfKeys: true,
  },
  {
    name: 'the KDC takes a code again that was used',
    file: 'kdc/realm/invitation.ts',
    from: '  if (used >= uses) return',
    to: '  if (used > uses) return',
    says: JOIN,
    isOfKeys: true,
  },
]
