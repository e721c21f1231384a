import type { OutgoingHttpHeaders, RequestListener, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

/** A listener whose responses are compressed for requests that say `gzip`, as middleware in front of it would do it. */
export function compressing(listener: RequestListener): RequestListener {
  return (req, res) => {
    if (/\bgzip\b/.test(String(req.headers['accept-encoding']))) compress(res)
    return listener(req, res)
  }
}

function compress(res: ServerResponse): void {
  const { writeHead, end } = res
  const pieces: Buffer[] = []
  const keep = (piece: unknown): void => {
    if (typeof piece === 'string' || piece instanceof Uint8Array) pieces.push(Buffer.from(piece))
  }
  res.writeHead = (status: number, ...rest: unknown[]) => {
    const given = rest.find((each): each is OutgoingHttpHeaders => typeof each === 'object')
    for (const [name, value] of Object.entries(given ?? {})) res.setHeader(name, value ?? '')
    res.setHeader('content-encoding', 'gzip').removeHeader('content-length')
    return writeHead.call(res, status)
  }
  res.write = (piece: unknown) => {
    keep(piece)
    return true
  }
  res.end = ((piece: unknown) => {
    keep(piece)
    return end.call(res, gzipSync(Buffer.concat(pieces)), 'latin1')
  }) as ServerResponse['end']
}
