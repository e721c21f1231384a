import { PAGE_ROWS } from '../../shared/administration/methods.js'
import type { Value } from '../../shared/encoding/encoding.js'
import { fields, nullable, numberOf, principalOf } from '../../shared/encoding/fields.js'
import { malformed } from '../../shared/errors.js'
import type { Principal } from '../../shared/principal.js'
import type { MaybePromise } from '../realm/maybe-promise.js'
import type { AdminContext } from './context.js'
import { owning, requireOwned, type Subject } from './owners.js'
import { type Callers, isAdministrator } from './role.js'

/** What a method of `kdc@realm` is made of. `methods.ts` has the list of them. */

/**
 * A method that owners may call says what each call is about: a change is refused unless the caller owns that when it is
 * committed, and so is a reading. `rows` is for lists, which leave out what is not the caller's.
 */
export type MethodOf<Arguments> =
  | (Doing<Arguments> & { readonly callers: Exclude<Callers, 'owners'> })
  | (Doing<Arguments> & {
      readonly callers: 'owners'
      readonly about: 'rows' | ((args: Arguments, context: AdminContext) => MaybePromise<Subject>)
    })

interface Doing<Arguments> {
  /**
   * Whether an administrator reads records with it, which `callMethod` reports. A method that changes something reports
   * the change itself, and nobody need know what a principal reads about itself.
   */
  readonly reads: boolean
  /** @throws OrthrusError `malformed` for arguments of a wrong form */
  decode(args: readonly Value[]): Arguments
  /** @returns the results, encoded. @throws OrthrusError with a code of the wire */
  run(context: AdminContext, args: Arguments): MaybePromise<Value[]>
}

/** A method together with the decoder of its arguments. */
export type Method = {
  readonly callers: Callers
  readonly reads: boolean
  call(context: AdminContext, args: readonly Value[]): MaybePromise<Value[]>
}

export function method<Arguments>(made: MethodOf<Arguments>): Method {
  const { callers, reads, decode, run } = made
  if (made.callers !== 'owners' || made.about === 'rows') {
    return { callers, reads, call: (context, args) => run(context, decode(args)) }
  }
  const { about } = made
  const call: Method['call'] = async (context, args) => {
    const decoded = decode(args)
    const subject = async (): Promise<Subject> => about(decoded, context)
    if (!reads) return run(owning(context, subject), decoded)
    // An administrator reads by what the ticket says.
    const { caller, realm } = context
    if (caller !== undefined && !isAdministrator(caller.claims))
      await requireOwned(context, await subject(), realm.time.now())
    return run(context, decoded)
  }
  return { callers, reads, call }
}

export const NO_RESULTS: Value[] = []

export function decodePrincipal(value: Value | undefined | readonly Value[]): Principal {
  const [name] = fields(value, 1)
  return principalOf(name)
}

/** Decodes the request for a page: after which row it begins, and how many rows it may have, at most `PAGE_ROWS`. */
export function decodePage<Row>(
  args: readonly Value[],
  decodeAfter: (value: Value | undefined) => Row,
): { after: Row | null; limit: number } {
  const [after, limit] = fields(args, 2)
  const requested = numberOf(limit)
  if (requested === 0) throw malformed('a page of no rows')
  return { after: nullable(after, decodeAfter), limit: Math.min(requested, PAGE_ROWS) }
}
