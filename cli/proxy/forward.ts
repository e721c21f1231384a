import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { whenOver } from '../../service/node-http/connection-end.js'
import { ByteCollector } from '../../service/response/byte-collector.js'
import { hasBody } from '../../shared/http/binding.js'
import { pairsOf } from '../../shared/http/header-pairs.js'
import { type Cancel, runAfter, type Timers } from '../../shared/timers.js'
import { faultIn, passedHeaders } from './answer-rules.js'
import {
  answerFault,
  CLIENT_BUSY,
  clientSilent,
  type Fault,
  FULL,
  OTHER_LENGTH,
  tooLong,
  tooSlow,
  unreachable,
  wrongAnswer,
  wrongRequest,
} from './faults.js'
import { framing, lengthOf } from './framing.js'
import type { HeaderPair } from './header-rules.js'
import type { Shares } from './shares.js'
import type { Upstream } from './upstream.js'

/** One request, passed on to the program behind the proxy, and its answer, passed back. */

export interface ForwardOptions {
  readonly upstream: Upstream
  readonly shares: Shares
  /** Who makes it, and so whose share it is of. */
  readonly presenter: string
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** What the program gets, without headers that frame the body. */
  readonly headers: readonly HeaderPair[]
  /** The length of the body, bytes, if the client told it: a body with another length is refused, or cut off. */
  readonly told: number | undefined
  /** Whether the client reads an answer with this status as it comes. Any other is kept until it is whole. */
  readonly isStreamed: (status: number) => boolean
  /** The largest answer that is kept, bytes. */
  readonly maxResponse: number
  /** How long the program may be silent, milliseconds. */
  readonly patience: number
  /** How long a client may send nothing of a body that is awaited, and take nothing of an answer, milliseconds. */
  readonly clientPatience: number
  readonly timers: Timers
  /** Told of what went wrong on the program's side. */
  readonly onFault: (fault: Fault) => void
}

/** Methods that a server does nothing for if it is asked twice, and that have no body. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Passes it on. What comes of it is answered, whatever it is. */
export function forward(options: ForwardOptions): void {
  new Forwarding(options).begin()
}

class Forwarding {
  readonly #options: ForwardOptions
  #up: ClientRequest | undefined
  #answer: IncomingMessage | undefined
  #cancel: Cancel = () => {}
  #cancelClient: Cancel = () => {}
  #leave: () => void = () => {}
  #hasBody = false
  #isConnected = false
  #isOver = false

  constructor(options: ForwardOptions) {
    this.#options = options
  }

  begin(): void {
    const { upstream, req, res, told } = this.#options
    if (upstream.isFull) {
      this.#fail(FULL)
      return
    }
    whenOver(req, res, () => this.#end())
    const length = lengthOf(req)
    if (told !== undefined && length !== undefined && told !== length) this.#fail(OTHER_LENGTH)
    else if ((told ?? length) !== undefined) this.#waitForTurn()
    else this.#lookAhead()
  }

  /** Many programs take a body only with its length, so where nobody told it, one that is short, or comes at once, is waited for. */
  #lookAhead(): void {
    const { req, timers } = this.#options
    const go = (): void => {
      cancel()
      req.off('readable', look).off('error', go).off('close', go)
      if (!this.#isOver) this.#waitForTurn()
    }
    const look = (): void => {
      if (req.complete || req.readableLength >= AHEAD.BYTES) go()
    }
    const cancel = runAfter(timers, AHEAD.TIME, go)
    req.on('readable', look).on('error', go).on('close', go)
    look()
  }

  /** Nobody has all the connections of the program. */
  #waitForTurn(): void {
    const { upstream, shares, presenter, patience, timers } = this.#options
    this.#cancel = runAfter(timers, patience, () => this.#fail(CLIENT_BUSY))
    const leave = shares.enter(presenter, () => {
      this.#cancel()
      if (upstream.isFull) this.#fail(FULL)
      else this.#ask(false)
    })
    if (leave === undefined) this.#fail(CLIENT_BUSY)
    // It may be over already, if it could not be asked at all.
    else if (this.#isOver) leave()
    else this.#leave = leave
  }

  #ask(fresh: boolean): void {
    const { upstream, req, headers, told } = this.#options
    const length = told ?? lengthOf(req)
    try {
      const method = req.method ?? ''
      const framed = [...headers, ...framing(method, length)]
      const up = upstream.request({ method, target: req.url ?? '', headers: framed, fresh })
      this.#up = up
      up.once('socket', socket => {
        const connected = (): void => {
          this.#isConnected = true
        }
        if (socket.connecting) socket.once('connect', connected)
        else connected()
      })
      up.once('response', answer => this.#answered(answer))
      up.on('error', cause => this.#broken(up, cause))
      // A server that changes the protocol unasked.
      up.once('upgrade', (_, socket) => {
        socket.destroy()
        this.#fail(wrongAnswer('it changes the protocol, which it was not asked for'))
      })
      this.#waitForProgram()
      if (lengthOf(req) === 0) up.end()
      else this.#sendBody(up)
    } catch (cause) {
      this.#fail(wrongRequest(cause))
    }
  }

  /** As fast as the program takes it. Only while it takes nothing does its time run. */
  #sendBody(up: ClientRequest): void {
    const { req, told } = this.#options
    let sent = 0
    let last: Buffer | undefined
    this.#hasBody = true
    this.#cancel()
    this.#waitForClient()
    req.on('data', (piece: Buffer) => {
      sent += piece.length
      this.#waitForClient()
      if (told !== undefined && sent > told) {
        this.#fail(OTHER_LENGTH)
        return
      }
      // With the last piece a request is whole: the program gets it once it is known that nothing follows.
      if (sent === told) last = piece
      if (this.#isOver || up.destroyed || last === piece || up.write(piece)) return
      req.pause()
      this.#cancelClient()
      this.#waitForProgram()
    })
    up.on('drain', () => {
      this.#cancel()
      this.#waitForClient()
      req.resume()
    })
    req.on('end', () => {
      this.#cancelClient()
      if (told !== undefined && sent !== told) {
        this.#fail(OTHER_LENGTH)
        return
      }
      up.end(last)
      if (!this.#isOver) this.#waitForProgram()
    })
    // It was cut off, or is not what was sealed: the program must not take it for a whole one.
    req.on('error', () => this.#end())
  }

  #answered(answer: IncomingMessage): void {
    this.#answer = answer
    this.#cancel()
    const { req, isStreamed, upstream } = this.#options
    const status = answer.statusCode ?? 0
    const method = req.method ?? ''
    const pairs = pairsOf(answer.rawHeaders)
    const fault = faultIn(method, status, pairs)
    if (fault !== undefined) {
      this.#fail(wrongAnswer(fault))
      return
    }
    const headers = passedHeaders(method, status, pairs).map(
      ([name, value]): HeaderPair =>
        name.toLowerCase() === 'location' ? [name, upstream.locationFor(value)] : [name, value],
    )
    if (hasBody(method, status) && isStreamed(status)) this.#stream(answer, status, headers)
    else this.#collect(answer, status, headers)
  }

  #stream(answer: IncomingMessage, status: number, headers: readonly HeaderPair[]): void {
    const { res } = this.#options
    res.writeHead(status, headers.flat())
    let isBegun = false
    // An answer that has nothing to say yet shows that it is one. With a body at once the two go together.
    setImmediate(() => {
      if (!isBegun && !this.#isOver) res.flushHeaders()
    })
    const going = (): void => {
      this.#cancelClient()
      answer.resume()
      this.#waitForProgram()
    }
    answer.on('data', (piece: Buffer) => {
      isBegun = true
      this.#cancel()
      this.#cancelClient()
      if (res.write(piece)) {
        this.#waitForProgram()
        return
      }
      answer.pause()
      this.#waitForClient()
    })
    res.on('drain', going)
    this.#waitForProgram()
    this.#onEnd(answer, () => {
      isBegun = true
      res.end()
    })
  }

  #collect(answer: IncomingMessage, status: number, headers: readonly HeaderPair[]): void {
    const { res, req, maxResponse } = this.#options
    const body = new ByteCollector(maxResponse)
    const takesBody = hasBody(req.method ?? '', status) && status !== RESET_CONTENT
    answer.on('data', (piece: Buffer) => {
      this.#waitForProgram()
      if (takesBody && !body.append(piece)) this.#fail(tooLong(maxResponse))
    })
    this.#waitForProgram()
    this.#onEnd(answer, () => {
      res.writeHead(status, headers.flat())
      res.end(takesBody ? body.bytes() : undefined)
    })
  }

  #onEnd(answer: IncomingMessage, whole: () => void): void {
    answer.on('error', cause => this.#broken(this.#up, cause))
    answer.on('end', () => {
      if (this.#isOver || !answer.complete) return
      whole()
      this.#end()
    })
  }

  #waitForProgram(): void {
    const { timers, patience } = this.#options
    this.#cancel()
    if (!this.#isOver) this.#cancel = runAfter(timers, patience, () => this.#fail(tooSlow(patience)))
  }

  /** Whoever neither sends nor takes anything does not keep a connection of the program from others. */
  #waitForClient(): void {
    const { timers, clientPatience } = this.#options
    this.#cancelClient()
    if (this.#isOver) return
    this.#cancelClient = runAfter(timers, clientPatience, () => this.#fail(clientSilent(clientPatience)))
  }

  #broken(up: ClientRequest | undefined, cause: unknown): void {
    if (this.#isOver || up !== this.#up) return
    const { req } = this.#options
    // The program closed a connection that was kept, just when it was used again.
    const isStale = up?.reusedSocket === true && !this.#hasBody && REPEATABLE.has(req.method ?? '')
    if (isStale && this.#answer === undefined) this.#ask(true)
    else this.#fail(unreachable(cause, this.#isConnected))
  }

  /** The client gets a proved answer that says so, or the end of a stream without its end. */
  #fail(fault: Fault): void {
    if (this.#isOver) return
    const { req, res, onFault } = this.#options
    onFault(fault)
    this.#end()
    if (res.headersSent) res.destroy()
    // Whatever is left of its body is read, and dropped: a connection that is cut can take the answer with it.
    else {
      answerFault(res, fault)
      req.resume()
    }
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancel()
    this.#cancelClient()
    this.#leave()
    const up = this.#up
    // One whose request was sent whole and whose answer was read whole is kept, and used again.
    if (up !== undefined && !(up.writableFinished && this.#answer?.complete === true)) up.destroy()
  }
}

const RESET_CONTENT = 205

/** Tuning: how much of a body, and for how long, is waited for before the program is asked. Milliseconds, and bytes. */
const AHEAD = { TIME: 500, BYTES: 16 * 1024 } as const
