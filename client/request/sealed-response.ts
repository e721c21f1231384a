import { StreamOpener } from '../../shared/channel/sealed-stream.js'
import { RECORDS } from '../../shared/http/binding.js'
import { ENCODING_HEADER, SEALED_ENCODING } from '../../shared/http/header-names.js'
import type { Awaited, StreamLife } from './awaited.js'
import { changed, handOut, type RealmResponse, unproved } from './handed-out.js'
import { type ClaimedReplies, isBound, type ResponseValues } from './response-proof.js'
import { openDownload } from './sealed-download.js'

/**
 * The response of a service whose head is proved, and whose body proves itself piece by piece.
 * @throws OrthrusError `response_unproved`
 */
export async function openSealed(
  response: Response,
  claim: ClaimedReplies,
  { presented, url }: Awaited,
  { clock, timers, signal, prolong }: StreamLife,
): Promise<RealmResponse> {
  const { service, key, request } = presented
  const { headers, body } = response
  const { status } = response
  const reply = sealedReply(claim, { status, headers })
  if (headers.get(ENCODING_HEADER) !== SEALED_ENCODING || body === null) {
    const hint = `the service, or what is in front of it, may be of a version without sealed bodies: leave out sealed, or update it`
    throw unproved(service, 'it is not sealed', hint)
  }
  if (reply === undefined) throw await changed(service, 'its status or headers')
  const opener = new StreamOpener({ key, direction: 'service-to-client', messages: [request.bytes, reply] })
  const onOver = prolong()
  const stream = openDownload({ body, opener, clock, timers, signal, onOver })
  const opened = new Headers(headers)
  for (const name of [ENCODING_HEADER, 'content-length']) opened.delete(name)
  return handOut({ status, headers: opened }, stream, url)
}

/** The AP-REP that proves the head of a sealed response; the key of its body depends on it. */
function sealedReply(
  { bindings, replies }: ClaimedReplies,
  head: Omit<ResponseValues, 'body'>,
): Uint8Array | undefined {
  return replies.find((_, i) => isBound(bindings.slice(i, i + 1), { ...head, body: RECORDS }))
}
