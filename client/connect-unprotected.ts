import type { ConnectOptions } from './connect-options.js'
import { originIn } from './connect-urls.js'
import { type UnprotectedOptions, UnprotectedOrigins } from './request/unprotected.js'

/** Where answers without a proof are taken, as `allowUnprotected` of `connect` says: loaded if it does. @throws TypeError */
export function unprotectedOf(
  options: ConnectOptions,
  made: Omit<UnprotectedOptions, 'origins'>,
): UnprotectedOrigins {
  return new UnprotectedOrigins({ ...made, origins: unprotectedFrom(options) })
}

/** The `allowUnprotected` option with normalised origins. @throws TypeError for anything but a list of origins */
function unprotectedFrom({ allowUnprotected = [] }: ConnectOptions): ReadonlySet<string> {
  const list: unknown = allowUnprotected
  if (!Array.isArray(list)) {
    throw new TypeError(
      "allowUnprotected is a list of the origins that are not protected yet: ['http://127.0.0.1:8080']",
    )
  }
  return new Set(list.map(text => originIn('allowUnprotected', text)))
}
