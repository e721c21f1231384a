import { Server as HttpServer, type IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import {
  createWebSocketServer,
  type HandshakeFault,
  refuseUpgrade,
  upgradeFault,
} from '../../shared/channel/upgrade.node.js'
import { pathOf } from '../../shared/ticket/caveat-path.js'
import { Unanswered } from '../node-http/unanswered.js'
import type { ChannelAcceptor } from './acceptor.js'
import { acceptWebSocket } from './websocket.js'

/** An HTTP server on which channels are accepted. */
export type ChannelServer = HttpServer | HttpsServer

export function isHttpServer(server: unknown): server is ChannelServer {
  if (server instanceof HttpServer) return true
  // Imported above, it would take every start of a service longer.
  return server instanceof process.getBuiltinModule('node:https').Server
}

interface Place {
  readonly acceptor: ChannelAcceptor<IncomingMessage>
  readonly allowedOrigins: readonly string[]
  /** Path and query as the client bound them. @throws unknown what the owner's function threw */
  readonly targetOf: (request: IncomingMessage) => string
}

/** The places of one server by path. The server has one listener for all of them. */
class ServerPlaces {
  readonly #server: ChannelServer
  readonly #places = new Map<string, Place>()
  /** Of every other path. */
  #everywhere: Place | undefined
  readonly #webSockets = createWebSocketServer()
  readonly #unanswered = new Unanswered()
  readonly #listener = (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
    this.#upgrade(request, socket, head)

  constructor(server: ChannelServer) {
    this.#server = server
  }

  /** @returns what removes it. @throws TypeError if the path is taken */
  add(path: string, place: Place): () => void {
    if (this.#places.has(path)) throw new TypeError(`the server accepts channels at ${path} already`)
    this.#listen()
    this.#places.set(path, place)
    return () => {
      this.#places.delete(path)
      this.#listenNoMoreIfEmpty()
    }
  }

  /** @returns what removes it. @throws TypeError if there is one */
  addEverywhere(place: Place): () => void {
    if (this.#everywhere !== undefined) throw new TypeError('the server accepts channels everywhere already')
    this.#listen()
    this.#everywhere = place
    return () => {
      this.#everywhere = undefined
      this.#listenNoMoreIfEmpty()
    }
  }

  get #isEmpty(): boolean {
    return this.#places.size === 0 && this.#everywhere === undefined
  }

  #listen(): void {
    if (this.#isEmpty) this.#server.on('upgrade', this.#listener).on('request', this.#unanswered.note)
  }

  #listenNoMoreIfEmpty(): void {
    if (this.#isEmpty) this.#server.off('upgrade', this.#listener).off('request', this.#unanswered.note)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const place = this.#places.get(pathOf(request.url) ?? '') ?? this.#everywhere
    // Another listener of the server, such as that of socket.io, has paths of its own.
    if (place === undefined && this.#server.listenerCount('upgrade') > 1) return
    // What happens to the socket is seen when it closes.
    socket.on('error', () => {})
    if (this.#unanswered.has(socket)) {
      // Nothing can be written that would not be taken for that answer, or for a part of the channel.
      place?.acceptor.gate.service.report({ kind: 'handshake_refused', reason: BEHIND_A_REQUEST })
      socket.destroy()
      return
    }
    const fault = faultOf(request, place)
    if (place === undefined || fault !== undefined) {
      const refused = fault ?? NOT_FOUND
      place?.acceptor.gate.service.report({ kind: 'handshake_refused', reason: refused.reason })
      refuseUpgrade(socket, refused)
      return
    }
    const target = targetOf(request, place)
    if (target === undefined) refuseUpgrade(socket, UNKNOWN_TARGET)
    else {
      this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
        acceptWebSocket(place.acceptor, webSocket, target, request)
      })
    }
  }
}

/** @returns `undefined` if the owner's function does not say it, which is reported */
function targetOf(request: IncomingMessage, place: Place): string | undefined {
  try {
    return place.targetOf(request)
  } catch (err) {
    place.acceptor.gate.service.report({ kind: 'hook_failed', hook: 'externalUrl', err })
    return undefined
  }
}

const UNKNOWN_TARGET: HandshakeFault = { status: 500, reason: 'the service failed' }
const BEHIND_A_REQUEST = 'an earlier request on its connection is not answered yet'
const NOT_FOUND: HandshakeFault = { status: 404, reason: 'no channels are accepted at this path' }
const CLOSING: HandshakeFault = { status: 503, reason: 'the service is closing' }

function faultOf(request: IncomingMessage, place: Place | undefined): HandshakeFault | undefined {
  if (place === undefined) return NOT_FOUND
  return upgradeFault(request, place.allowedOrigins) ?? (place.acceptor.isClosed ? CLOSING : undefined)
}

const placesOf = new WeakMap<ChannelServer, ServerPlaces>()

/** Accepts channels at a path of an HTTP server. @returns what ends this. @throws TypeError if the path is taken */
export function listenAt(server: ChannelServer, path: string, place: Place): () => void {
  return placesAt(server).add(path, place)
}

/** Accepts channels at every path of an HTTP server that has no place of its own. @returns what ends this */
export function listenEverywhere(server: ChannelServer, place: Place): () => void {
  return placesAt(server).addEverywhere(place)
}

function placesAt(server: ChannelServer): ServerPlaces {
  const places = placesOf.get(server) ?? new ServerPlaces(server)
  placesOf.set(server, places)
  return places
}
