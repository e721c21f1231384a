import type { Tally } from './tally.js'

/**
 * The least number of times that a thousand runs must see each thing: about a third of the usual number. A model that
 * no longer does a thing, or in which nobody accepts anything, fails here.
 */
const A_THOUSAND_RUNS: Readonly<Record<string, number>> = {
  'orders accepts': 500,
  'billing accepts': 200,
  'mallory accepts': 100,
  'a delegated request is accepted': 25,
  'a part of a ticket did its work': 85,
  'an exchange that must succeed did': 300,
  'a delegated presentation that must succeed did': 12,
  'a request by a part of a TGT that must succeed did': 2,
  'a presentation of less that must succeed did': 22,
  'a client has a proved answer': 550,
  'the AS grants': 1_500,
  'the TGS grants': 600,
  'the attacker has a key of somebody else': 700,
  'the attacker has a ticket of its own': 2_000,

  'done: an undisturbed request': 500,
  'done: a request goes out': 500,
  'done: a ticket is handed on': 400,
  'done: a ticket is handed to a service, sealed': 60,
  'done: a part of a TGT is handed on': 180,
  'done: the delegate presents what it was given': 80,
  'done: the delegate asks by a part of a TGT': 30,
  'done: a client cuts its own ticket down': 90,

  'done: a message is carried, and its answer': 250,
  'done: a message is carried, and its answer kept back': 120,
  'done: a message is lost': 60,
  'done: a client is answered by the network': 180,

  'done: a request is shown again': 300,
  'done: a request is shown when it is about to be forgotten': 70,
  'done: a request is altered on its way': 220,
  'done: bytes of a request are changed': 180,
  'done: halves of two requests are put together': 150,
  'done: a ticket is renamed in the clear': 100,
  'done: a message is sent to the wrong entry': 250,
  'done: a question to the KDC is asked again or changed': 180,
  'done: halves of two questions are put together': 120,
  'done: the attacker asks with a key that it has': 300,
  'done: a request is shown again after a restart': 180,
  'done: the attacker presents a delegated ticket': 300,
  'done: the attacker calls a delegated ticket by another name': 50,
  'done: the attacker delegates to itself a ticket whose key it has': 30,
  "done: the attacker presents another's ticket beside its own": 90,
  "done: the attacker puts its own key to another's ticket": 100,
  'done: the attacker asks at the very end of a ticket': 170,
  'done: the attacker makes a ticket': 200,
  'done: the attacker logs in': 350,
  'done: the attacker asks the TGS': 270,

  'done: time passes': 400,
  'done: a clock is set': 200,
  'done: a service restarts': 100,
  'done: the KDC restarts': 60,
  'done: a session key is stolen': 60,
  'done: a long-term key is stolen': 60,
  'done: disable': 40,
  'done: enable': 80,
  'done: remove': 35,
  'done: add': 7,
  'done: a principal is removed and made again': 80,
  'done: a principal is disabled for a while': 80,

  "done: a client's tickets are revoked": 100,
  'done: a ticket is revoked': 100,
  'done: a key is revoked, and its owner made again': 50,

  'done: a holder changes its key': 350,
  'a key was changed in place': 150,
  'a change of key is interrupted': 170,
  'done: the attacker talks with the KDC': 250,
  'done: an open channel to the KDC is used again': 90,
  'done: a channel to the KDC is replayed': 60,
  'the attacker has a key staged': 50,
  'the KDC opens a channel': 500,
  'the KDC answers keys': 400,
  'the KDC answers next-key': 350,
  'the KDC answers follow': 20,
  'the KDC refuses next-key: not_authorized': 40,
  'the KDC refuses remove: not_authorized': 8,
  'the KDC refuses a channel: ticket_expired': 35,

  'done: the feed is held back': 40,
  'done: the feed flows again': 20,
  'done: the feed is cut off': 30,
  'done: the feed is tampered with': 40,
  'done: an answer comes too late': 30,
  'done: a host is invited': 120,
  'done: a host joins': 35,
  'a host has joined': 15,
  'the KDC answers enrol': 40,
  'a feed that was left alone is whole': 60,
  'a service says revoked': 15,

  'a service says auth_failed': 400,
  'a service says binding_mismatch': 40,
  'a service says caveat_failed': 200,
  'a service says clock_skew': 500,
  'a service says delegation_invalid': 100,
  'a service says malformed': 350,
  'a service says not_authorized': 80,
  'a service says replay': 200,
  'a service says ticket_expired': 300,
  'a service says ticket_invalid': 450,
  'a service says ticket_not_yet_valid': 2,
  'a service says unavailable': 3,
  'a service says too_large': 25,
  'a service says unsupported_version': 25,

  'the KDC says auth_failed': 180,
  'the KDC says caveat_failed': 40,
  'the KDC says clock_skew': 130,
  'the KDC says malformed': 150,
  'the KDC says not_renewable': 35,
  'the KDC says principal_disabled': 35,
  'the KDC says revoked': 30,
  'the KDC says ticket_expired': 8,
  'the KDC says ticket_invalid': 120,
  'the KDC says ticket_not_yet_valid': 2,
  'the KDC says too_large': 15,
  'the KDC says unsupported_version': 15,
  'the KDC denies caveat_failed': 18,
  'the KDC denies policy_denied': 600,
  'the KDC denies unknown_service': 8,
}

/** A smaller number may be chance. */
const LEAST = 20

/** What did not happen as often as it must in this many runs, one line each. */
export function missing(tally: Tally, runs: number): string[] {
  return Object.entries(A_THOUSAND_RUNS).flatMap(([what, count]) => {
    const least = Math.floor((count * runs) / 1_000)
    return least >= LEAST && tally.of(what) < least ? [`${what}: ${tally.of(what)}, not ${least}`] : []
  })
}
