import { OrthrusError } from '../../shared/errors.js'
import type { OpenedTicket } from '../../shared/ticket/ticket.js'

/** With what a service refuses by what it knows of revocations (docs/protocol.md section 10). */

export function revoked({ client, service }: OpenedTicket): OrthrusError {
  return new OrthrusError('revoked', `${client}'s ticket for ${service} was revoked`, {
    final: true,
    principal: client,
    service,
  })
}

export function tooMany(max: number): OrthrusError {
  return new OrthrusError('unavailable', `there are more than ${max} revocations`, {
    hint: 'raise maxRevocations of loadService',
  })
}

export function tooOld(age: number): OrthrusError {
  const since = Number.isFinite(age) ? `for ${Math.round(age / 1000)} s` : 'yet'
  return new OrthrusError('unavailable', `no KDC has confirmed the revocations ${since}`, {
    hint: 'check that this service reaches a KDC; loadService({ maxStaleness }) says for how long it may do without one',
  })
}
