import {
  decodeGroupChange,
  decodeMembersQuestion,
  encodeGroupsOfPrincipal,
  encodeMoved,
} from '../../shared/administration/groups.js'
import { PAGE_ROWS } from '../../shared/administration/methods.js'
import { decodePolicyChange } from '../../shared/administration/policy-change.js'
import { applyPolicy, requireBounded } from './apply-policy.js'
import { addToGroup, members, removeFromGroup } from './groups.js'
import { type Method, method, NO_RESULTS } from './method.js'

/** The methods for groups, and for all of policy at once. */
export const GROUP_METHODS = {
  'apply-policy': method({
    callers: 'administrators',
    reads: false,
    decode: args => requireBounded(decodePolicyChange(args)),
    run: async (context, change) => {
      await applyPolicy(context, change)
      return NO_RESULTS
    },
  }),
  'group-add': method({
    callers: 'administrators',
    reads: false,
    decode: decodeGroupChange,
    run: async (context, change) => encodeMoved(await addToGroup(context, change)),
  }),
  'group-remove': method({
    callers: 'administrators',
    reads: false,
    decode: decodeGroupChange,
    run: async (context, change) => encodeMoved(await removeFromGroup(context, change)),
  }),
  members: method({
    callers: 'administrators',
    reads: true,
    decode: decodeMembersQuestion,
    run: async (context, { group, after, limit }) => {
      const rows = await members(context, group, after, Math.min(limit, PAGE_ROWS))
      return [rows.map(encodeGroupsOfPrincipal)]
    },
  }),
} satisfies Record<string, Method>
