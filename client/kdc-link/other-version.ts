import { TYPE, VERSION } from '../../shared/constants.js'
import { openUnauthenticatedError } from '../../shared/encoding/error.js'
import { OrthrusError } from '../../shared/errors.js'
import type { Logger } from '../../shared/logger.js'
import type { KdcConnection } from './connection.js'
import type { Exchanged } from './waiting.js'

/** An ERROR of this code is shorter, bytes. A longer one is not read here: it is read again where it is awaited. */
const ERROR_MAX = 512

type Exchange = (message: Uint8Array) => Promise<Exchanged>

/** The same exchange, except that it tells the client's owner when a KDC of another version answers. */
export function tellingOtherVersion(exchange: Exchange, logger: Logger): Exchange {
  return async message => {
    const answer = await exchange(message)
    tellIfOther(answer.bytes, logger)
    return answer
  }
}

type OpenStream = KdcConnection['openStream']

/** The same for the stream of a channel. Only its first message is no record of the channel. */
export function streamTellingOtherVersion(openStream: OpenStream, logger: Logger): OpenStream {
  return (events, ...more) => {
    let isFirst = true
    return openStream(
      {
        ...events,
        received: message => {
          if (isFirst) tellIfOther(message, logger)
          isFirst = false
          events.received(message)
        },
      },
      ...more,
    )
  }
}

function tellIfOther(answer: Uint8Array, logger: Logger): void {
  if (isOfOtherVersion(answer))
    logger.warn({ version: VERSION }, 'the KDC is of another version: client and KDC need the same one')
}

/** A KDC of another version writes it into its messages, or answers that it does not know this one. */
function isOfOtherVersion(bytes: Uint8Array): boolean {
  const [version, type] = bytes
  if (version !== VERSION) return version !== undefined
  if (type !== TYPE.ERROR || bytes.length > ERROR_MAX) return false
  try {
    return openUnauthenticatedError(bytes).code === 'unsupported_version'
  } catch (cause) {
    if (cause instanceof OrthrusError) return false
    throw cause
  }
}
