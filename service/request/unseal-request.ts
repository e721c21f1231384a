import type { VerifiedRequest } from '../../shared/accept/accept.js'
import { StreamOpener } from '../../shared/channel/sealed-stream.js'
import type { OrthrusError } from '../../shared/errors.js'
import type { Cancel } from '../../shared/timers.js'
import type { EndStream, RequestMessage } from './message.js'
import type { ServiceParts } from './service.js'
import { whenTicketsEnd } from './stream-end.js'

export interface UnsealRequestOptions {
  /** Whether the body may go on when a ticket of the request has ended. */
  readonly mayOutliveTickets: boolean
  /** @param cause `undefined` if the client went away */
  onBroken(cause: Error | undefined): void
  /** Called behind `onBroken` if a ticket ended. */
  onExpired(cause: OrthrusError): void
  /** Called once, when all of the body was handed on, or before `onBroken`. */
  onOver?(): void
}

/** A sealed body that its handler reads. */
export interface UnsealedRequest {
  /** Whether more of it is to come. */
  readonly isOpen: boolean
  end: EndStream
}

/** Opens the sealed body of an authorised request, for as long as its tickets last. */
export function unsealRequest(
  { body }: RequestMessage,
  verified: VerifiedRequest,
  service: ServiceParts,
  { mayOutliveTickets, onBroken, onExpired, onOver }: UnsealRequestOptions,
): UnsealedRequest {
  const { clock, timers } = service
  let isOpen = true
  let forget: Cancel = () => {}
  const end = body?.unseal?.({
    opener: new StreamOpener({
      key: verified.key,
      direction: 'client-to-service',
      messages: [verified.request.bytes],
    }),
    clock,
    timers,
    onBroken,
    onOver: () => {
      isOpen = false
      forget()
      onOver?.()
    },
  })
  if (isOpen && end !== undefined && !mayOutliveTickets) {
    forget = whenTicketsEnd(verified, service, cause => {
      end(cause)
      onExpired(cause)
    })
  }
  return {
    get isOpen() {
      return isOpen
    },
    end: cause => end?.(cause),
  }
}
