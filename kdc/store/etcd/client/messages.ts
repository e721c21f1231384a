import { malformed } from '../../../../shared/errors.js'
import type {
  Compare,
  KeyValue,
  Operation,
  RangeAnswer,
  RangeQuestion,
  Transaction,
  TransactionAnswer,
} from '../etcd.js'
import {
  bytesField,
  flagField,
  MessageReader,
  message,
  messageField,
  numberField,
  textField,
} from './protobuf.js'

/** The messages of etcd's services KV, Lease and Auth: rpc.proto and kv.proto of etcd 3. */

export function encodeRange({ key, end, limit, revision, keysOnly }: RangeQuestion): Uint8Array {
  return message(
    textField(1, key),
    end === undefined ? undefined : textField(2, end),
    numberField(3, limit ?? 0),
    numberField(4, revision ?? 0),
    flagField(8, keysOnly ?? false),
  )
}

/** Operations of one transaction that etcd takes, unless it was told otherwise, counted along the deepest nesting. */
const OPERATIONS_MAX = 128

/** Of three levels of transactions within each other: 40 times 40 times 40, and room for what they compare. */
const GROUP = 40
const NESTED_MAX = 2

/** More operations than etcd takes in one transaction are put into transactions within it: it is one all the same. */
export function encodeTransaction({ compares, operations, otherwise = [] }: Transaction): Uint8Array {
  return message(
    ...compares.map(compare => messageField(1, encodeCompare(compare))),
    ...grouped(operations.map(encodeOperation)).map(operation => messageField(2, operation)),
    ...grouped(otherwise.map(encodeOperation)).map(operation => messageField(3, operation)),
  )
}

function grouped(operations: readonly Uint8Array[], max = OPERATIONS_MAX): readonly Uint8Array[] {
  if (operations.length <= max) return operations
  const groups: Uint8Array[] = []
  for (let i = 0; i < operations.length; i += GROUP) {
    const group = operations.slice(i, i + GROUP).map(operation => messageField(2, operation))
    groups.push(messageField(4, message(...group)))
  }
  return grouped(groups, GROUP)
}

const TARGET = { VERSION: 0, MOD_REVISION: 2 } as const

/** Without a field for the kind of comparison: what is left out means "equal". */
function encodeCompare(compare: Compare): Uint8Array {
  if ('version' in compare) {
    return message(
      numberField(2, TARGET.VERSION),
      textField(3, compare.key),
      messageNumber(4, compare.version),
    )
  }
  return message(
    numberField(2, TARGET.MOD_REVISION),
    textField(3, compare.key),
    messageNumber(6, compare.modRevision),
  )
}

/** A number that says by its presence which of several it is: 0 is written too. */
function messageNumber(field: number, value: number): Uint8Array {
  return numberField(field, value) ?? Buffer.from([field * 8, 0])
}

function encodeOperation(operation: Operation): Uint8Array {
  if (operation.kind === 'range') return messageField(1, encodeRange(operation))
  if (operation.kind === 'delete') return messageField(3, message(textField(1, operation.key)))
  const { key, value, lease = '0' } = operation
  return messageField(2, message(textField(1, key), bytesField(2, value), numberField(3, BigInt(lease))))
}

/** @throws OrthrusError `malformed` */
export function decodeRange(bytes: Uint8Array): RangeAnswer {
  return readRange(new MessageReader(bytes))
}

function readRange(reader: MessageReader): RangeAnswer {
  const found: KeyValue[] = []
  let revision = 0
  let more = false
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = headerRevision(reader.within())
    else if (field === 2) found.push(keyValueFrom(reader.within()))
    else if (field === 3) more = reader.flag()
  }
  return { revision, found, more }
}

/** @throws OrthrusError `malformed` */
export function decodeTransaction(bytes: Uint8Array): TransactionAnswer {
  const reader = new MessageReader(bytes)
  const answers: (RangeAnswer | undefined)[] = []
  let revision = 0
  let succeeded = false
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) revision = headerRevision(reader.within())
    else if (field === 2) succeeded = reader.flag()
    else if (field === 3) addAnswers(answers, reader.within(), 0)
  }
  if (revision === 0) throw malformed('an answer to a transaction without a revision')
  return { revision, succeeded, answers }
}

/** Adds one answer, or those of a transaction within, as deep as this program nests them. */
function addAnswers(answers: (RangeAnswer | undefined)[], reader: MessageReader, depth: number): void {
  const field = reader.next()
  if (field === 1) answers.push(readRange(reader.within()))
  else if (field === 2 || field === 3) answers.push(undefined)
  else if (field === 4 && depth < NESTED_MAX) {
    const nested = reader.within()
    for (let inner = nested.next(); inner !== 0; inner = nested.next()) {
      if (inner === 3) addAnswers(answers, nested.within(), depth + 1)
    }
  } else throw malformed('an answer to an operation that nobody asked for')
}

const NO_VALUE: Uint8Array = new Uint8Array()

/** @throws OrthrusError `malformed` */
export function keyValueFrom(reader: MessageReader): KeyValue {
  let key = ''
  let value = NO_VALUE
  let version = 0
  let modRevision = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.text()
    else if (field === 3) modRevision = reader.number()
    else if (field === 4) version = reader.number()
    else if (field === 5) value = reader.bytes()
  }
  if (key === '' || modRevision === 0) throw malformed('a record without a key or a revision')
  return { key, value, version, modRevision }
}

/** Of the header that each answer has. @throws OrthrusError `malformed` */
export function headerRevision(reader: MessageReader): number {
  let revision = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 3) revision = reader.number()
  }
  return revision
}

export function encodeCompaction(revision: number): Uint8Array {
  // Physical: the answer comes when it is done.
  return message(numberField(1, revision), flagField(2, true))
}

/** @param ttl seconds */
export function encodeLeaseGrant(ttl: number): Uint8Array {
  return message(numberField(1, ttl))
}

export function encodeLease(id: string): Uint8Array {
  return message(numberField(1, BigInt(id)))
}

export interface Lease {
  readonly id: string
  /** Seconds that are left; 0 if it is gone. */
  readonly ttl: number
}

/** The answer to granting a lease and to keeping it, which have the same form. @throws OrthrusError `malformed` */
export function decodeLease(bytes: Uint8Array): Lease {
  const reader = new MessageReader(bytes)
  let id = 0n
  let ttl = 0n
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) id = reader.long()
    else if (field === 3) ttl = reader.long()
  }
  return { id: id.toString(), ttl: Math.max(0, Number(BigInt.asIntN(64, ttl))) }
}

export function encodeLogin(user: string, password: string): Uint8Array {
  return message(bytesField(1, Buffer.from(user)), bytesField(2, Buffer.from(password)))
}

/** The token that later calls show. @throws OrthrusError `malformed` */
export function decodeLogin(bytes: Uint8Array): string {
  const reader = new MessageReader(bytes)
  let token = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 2) token = reader.text()
  }
  if (!/^[\x21-\x7e]{1,8192}$/.test(token)) throw malformed('no token')
  return token
}
