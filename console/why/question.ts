import { readInstant } from '../../shared/administration/policy-text.js'
import type { WhyQuestion } from '../../shared/administration/why.js'
import { isRefusalId } from '../../shared/encoding/refusal-id.js'
import { type Principal, principalIn, type RealmName } from '../../shared/principal.js'

/** What the form of `why` holds. */
export interface WhyForm {
  readonly client: string
  readonly service: string
  readonly at: string
  readonly method: string
  readonly path: string
  /** Who presents the ticket, if not the client. */
  readonly via: string
  /** Of a refusal; the rest then says nothing. */
  readonly id: string
}

export type WhyAsked =
  | { readonly id: string }
  | { readonly question: WhyQuestion; readonly via: Principal | null }

/** @throws TypeError that says what is wrong with the form */
export function askedIn(realm: RealmName, form: WhyForm): WhyAsked {
  const texts = [form.id, form.at, form.method, form.path, form.via].map(text => text.trim())
  const [id, at, method, path, via] = texts
  if (id !== undefined && id !== '') {
    if (!isRefusalId(id))
      throw new TypeError('write the 12 hex digits that the error or the log names, as 3f9a0c5d7e21')
    return { id }
  }
  if (form.client.trim() === '' || form.service.trim() === '')
    throw new TypeError('say about whom: a client and a service, or the id of a refusal')
  return {
    question: {
      client: principalIn(realm, form.client.trim()),
      service: principalIn(realm, form.service.trim()),
      at: at ? readInstant(at) : null,
      method: method ? methodIn(method) : null,
      path: path ? pathIn(path) : null,
    },
    via: via ? principalIn(realm, via) : null,
  }
}

function methodIn(text: string): string {
  if (/^[A-Z][A-Z-]{0,31}$/.test(text)) return text
  throw new TypeError('write a method in upper case, as GET')
}

function pathIn(text: string): string {
  if (/^\/[!-~]*$/.test(text)) return text
  throw new TypeError('write a path as the service sees it, as /orders/7')
}
