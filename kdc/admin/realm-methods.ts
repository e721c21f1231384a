import { decodeRealmChanges, encodeRealmSummary } from '../../shared/administration/realm.js'
import { fields } from '../../shared/encoding/fields.js'
import { type Method, method } from './method.js'
import { changeSettings, settings } from './realm-settings.js'

/** The methods for the realm's settings. */
export const REALM_METHODS = {
  realm: method({
    callers: 'administrators',
    reads: true,
    decode: args => fields(args, 0),
    run: async context => [encodeRealmSummary(await settings(context))],
  }),
  'set-realm': method({
    callers: 'administrators',
    reads: false,
    decode: args => decodeRealmChanges(fields(args, 1)[0]),
    run: async (context, changes) => [encodeRealmSummary(await changeSettings(context, changes))],
  }),
} satisfies Record<string, Method>
