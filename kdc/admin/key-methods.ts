import {
  decodePasswordReset,
  encodeDueKey,
  encodeKvno,
  encodeOwnKeys,
  encodePasswordWasReset,
  encodeReplacedKey,
  encodeRotated,
  encodeStagedKey,
} from '../../shared/administration/keys.js'
import type { OwnMethod } from '../../shared/administration/methods.js'
import { decodePasswordKey } from '../../shared/administration/principals.js'
import { fields, kvnoOf } from '../../shared/encoding/fields.js'
import type { Pattern } from '../../shared/pattern.js'
import { due, replaceKey, resetPassword, rotate } from './admin-keys.js'
import { decodePage, decodePrincipal, type Method, method } from './method.js'
import { keys, newPassword, nextKey } from './own-keys.js'

/** The methods for keys (docs/protocol.md section 12). */

const keysMethod = method({
  callers: 'itself',
  reads: false,
  decode: args => fields(args, 0),
  run: async context => encodeOwnKeys(await keys(context)),
})

const nextKeyMethod = method({
  callers: 'itself',
  reads: false,
  decode: args => kvnoOf(fields(args, 1)[0]),
  run: async (context, kvno) => encodeStagedKey(await nextKey(context, kvno)),
})

/** By which a service knows for how long it needs an old key: a ticket lives no longer. */
const longestLifeMethod = method({
  callers: 'itself',
  reads: false,
  decode: args => fields(args, 0),
  run: async ({ realm }) => [realm.record.longestLife],
})

const rotateMethod = method({
  callers: 'owners',
  about: name => ({ service: name as string as Pattern }),
  reads: false,
  decode: decodePrincipal,
  run: async (context, name) => encodeRotated(await rotate(context, name)),
})

const dueMethod = method({
  callers: 'administrators',
  reads: true,
  decode: args => decodePage(args, decodePrincipal),
  run: async (context, { after, limit }) => [(await due(context, after, limit)).map(encodeDueKey)],
})

const newPasswordMethod = method({
  callers: 'itself',
  reads: false,
  decode: decodePasswordKey,
  run: async (context, password) => encodeKvno(await newPassword(context, password)),
})

const replaceKeyMethod = method({
  callers: 'administrators',
  reads: false,
  decode: decodePrincipal,
  run: async (context, name) => encodeReplacedKey(await replaceKey(context, name)),
})

const resetPasswordMethod = method({
  callers: 'administrators',
  reads: false,
  decode: decodePasswordReset,
  run: async (context, reset) => encodePasswordWasReset(await resetPassword(context, reset)),
})

export const KEY_METHODS = {
  keys: keysMethod,
  'next-key': nextKeyMethod,
  'longest-life': longestLifeMethod,
  'new-password': newPasswordMethod,
  rotate: rotateMethod,
  'replace-key': replaceKeyMethod,
  'reset-password': resetPasswordMethod,
  due: dueMethod,
} satisfies Record<OwnMethod | 'rotate' | 'replace-key' | 'reset-password' | 'due', Method>
