import { OrthrusError } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import { KdcQuestions, tgsQuestion } from '../kdc-link/question.js'
import { importTicket, isTgt } from '../ticket/imported-ticket.js'
import { secretsOf } from '../ticket/ticket.js'
import type { SourceOptions, TicketSource } from './ticket-source.js'

/** Gets tickets with a credential alone, which must not name a holder. @throws OrthrusError `credential_invalid` */
export function credentialSource(
  text: string,
  allowBearerCredential: boolean,
  options: SourceOptions,
): TicketSource {
  const ticket = importTicket(text, () => options.time.now(), false)
  const { client, service } = ticket
  const { holder } = secretsOf(ticket)
  if (holder !== undefined) throw holderNeeded(holder)
  if (!allowBearerCredential) throw bearerCredential()
  if (!isTgt(ticket)) {
    const only = async (): Promise<never> => {
      throw onlyFor(service)
    }
    return { client, request: only, tgt: only, held: ticket, imported: true, login: undefined }
  }
  const login = { client, passwordBased: false }
  const questions = new KdcQuestions({ ...options, login, proved: false })
  return {
    client,
    request: (services, lifetime) =>
      options.refusals.guard('tickets', () => questions.ask(tgsQuestion(ticket, services, lifetime))),
    tgt: async () => ticket,
    held: undefined,
    imported: true,
    login: undefined,
  }
}

function holderNeeded(holder: Principal): OrthrusError {
  return new OrthrusError(
    'credential_invalid',
    `the credential was made for ${holder}, which must present it beside its own ticket`,
    {
      final: true,
      principal: holder,
      hint: `connect with the keytab of ${holder}, then realm.import(credential)`,
    },
  )
}

function bearerCredential(): OrthrusError {
  return new OrthrusError('credential_invalid', 'the credential names no holder', {
    final: true,
    hint: "connect with a keytab and import one that names its principal; connect({ credential, allowBearerCredential: true }) accepts this one, and then whoever handed it on can answer in a service's place",
  })
}

function onlyFor(service: Principal): OrthrusError {
  return new OrthrusError(
    'credential_invalid',
    `the credential is for ${service}, and gets no other tickets`,
    {
      final: true,
      service,
      hint: 'ask for a credential of a TGT, or connect with a keytab',
    },
  )
}
