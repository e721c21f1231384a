import { malformed } from '../../../../shared/errors.js'
import type { Operation, RangeAnswer, RangeQuestion, Transaction, TransactionAnswer } from '../etcd.js'

/**
 * Whether an answer is one to its question. A member that says that there is more, and gives the same again, would be asked for
 * ever; and what is taken for another record than the one that was asked for is believed or missed by mistake.
 */

/** @throws OrthrusError `malformed` */
export function requireRange({ key, end, limit }: RangeQuestion, answer: RangeAnswer): RangeAnswer {
  const { found, more } = answer
  let before: string | undefined
  for (const { key: name } of found) {
    if (end === undefined ? name !== key : name < key || name >= end)
      throw malformed('a key that nobody asked for')
    if (before !== undefined && name <= before) throw malformed('keys that are not in their order')
    before = name
  }
  if (limit !== undefined && found.length > limit) throw malformed('more keys than were asked for')
  if (more && found.length === 0) throw malformed('no key, and yet more of them')
  return answer
}

/** @throws OrthrusError `malformed` */
export function requireTransaction(
  { operations, otherwise = [] }: Pick<Transaction, 'operations' | 'otherwise'>,
  answer: TransactionAnswer,
): TransactionAnswer {
  const carriedOut: readonly Operation[] = answer.succeeded ? operations : otherwise
  if (answer.answers.length !== carriedOut.length)
    throw malformed('another number of answers than of questions')
  for (const [i, operation] of carriedOut.entries()) {
    const range = answer.answers[i]
    if ((operation.kind === 'range') !== (range !== undefined))
      throw malformed('an answer to another operation')
    if (operation.kind === 'range' && range !== undefined) requireRange(operation, range)
  }
  return answer
}
