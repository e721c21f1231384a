import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from 'node:http2'
import { malformed } from '../../../../shared/errors.js'
import { shownFailure } from '../../../../shared/shown-failure.js'
import { SECOND } from '../../../../shared/time.js'
import { type Cancel, inBackground, runAfter, runEvery, type Timers } from '../../../../shared/timers.js'
import { GrpcFailure, GrpcStream, STATUS, type StreamListener } from './grpc.js'

/** A stream of answers may be silent for this long, milliseconds, before the member is asked whether it is there. */
const SILENCE = SECOND

/** How much may be on its way before it is read, bytes: with the default a page of records would wait several times. */
const WINDOW = 4 * 1024 * 1024

/** Any member answers it at once, from what it knows itself. */
const STATUS_CALL = '/etcdserverpb.Maintenance/Status'

export interface ConnectionOptions {
  /** `http://host:port` or `https://host:port` */
  readonly url: string
  readonly tls: Readonly<SecureClientSessionOptions>
  readonly timers: Timers
  /** How long it may take to connect, and a member to say that it is there, milliseconds. */
  readonly deadline: number
}

export interface Call {
  readonly path: string
  readonly message: Uint8Array
  readonly metadata: Readonly<Record<string, string>>
  /** Milliseconds. */
  readonly deadline: number
}

/** A connection to one member of an etcd cluster. Once it is closed, another one is made. */
export class Connection {
  readonly #session: ClientHttp2Session
  readonly #timers: Timers
  readonly #deadline: number
  readonly #streams = new Set<GrpcStream>()
  readonly #stopAsking: Cancel
  #hasHeard = true
  #isAsking = false

  private constructor(session: ClientHttp2Session, { timers, deadline }: ConnectionOptions) {
    this.#session = session
    this.#timers = timers
    this.#deadline = deadline
    session.setLocalWindowSize(4 * WINDOW)
    session.on('goaway', () => this.#session.close())
    this.#stopAsking = runEvery(inBackground(timers), SILENCE, () => this.#noticeSilence())
    session.once('close', this.#stopAsking)
  }

  /** @throws GrpcFailure */
  static open(options: ConnectionOptions): Promise<Connection> {
    const { url, tls, timers, deadline } = options
    return new Promise((resolve, reject) => {
      const settings = { enablePush: false, initialWindowSize: WINDOW }
      const session = connect(url, { ...tls, settings })
      const fail = (reason: string): void => {
        cancel()
        session.destroy()
        reject(new GrpcFailure(STATUS.UNAVAILABLE, reason))
      }
      const cancel = runAfter(timers, deadline, () => fail(`no connection within ${deadline} ms`))
      // Later ones too: the streams are cut, and each of them says so.
      session.on('error', cause => fail(shownFailure(cause.message)))
      session.once('close', () => fail('the connection was closed at once'))
      session.once('connect', () => {
        cancel()
        resolve(new Connection(session, options))
      })
    })
  }

  get isOpen(): boolean {
    return !this.#session.closed && !this.#session.destroyed
  }

  /** One message there and one back. @throws GrpcFailure */
  async call({ path, message, metadata, deadline }: Call): Promise<Uint8Array> {
    this.#requireOpen()
    return await new Promise((resolve, reject) => {
      const answers: Uint8Array[] = []
      const late = `no answer within ${deadline} ms`
      const cancel = runAfter(this.#timers, deadline, () => {
        stream.cancel(STATUS.DEADLINE_EXCEEDED, late)
        this.#ask()
      })
      const stream = new GrpcStream(this.#session, path, metadata, {
        message: bytes => {
          this.#hasHeard = true
          if (answers.push(bytes) > 1) throw malformed('more answers than one')
        },
        ended: failure => {
          cancel()
          const [answer] = answers
          if (failure.status === STATUS.OK && answer !== undefined) return resolve(answer)
          reject(failure.status === STATUS.OK ? new GrpcFailure(STATUS.UNAVAILABLE, 'no answer') : failure)
        },
      })
      stream.send(message)
      stream.finish()
    })
  }

  /** A stream of answers. It ends when the member does not say any more that it is there. @throws GrpcFailure */
  stream(
    path: string,
    message: Uint8Array,
    metadata: Readonly<Record<string, string>>,
    listener: StreamListener,
  ): GrpcStream {
    this.#requireOpen()
    const stream = new GrpcStream(this.#session, path, metadata, {
      message: bytes => {
        this.#hasHeard = true
        listener.message(bytes)
      },
      ended: failure => {
        this.#streams.delete(stream)
        listener.ended(failure)
      },
    })
    this.#streams.add(stream)
    stream.send(message)
    return stream
  }

  /** Every call and stream on it ends. */
  close(): void {
    this.#stopAsking()
    this.#session.destroy()
  }

  #requireOpen(): void {
    if (!this.isOpen) throw new GrpcFailure(STATUS.UNAVAILABLE, 'the connection was closed')
  }

  #noticeSilence(): void {
    if (this.#streams.size > 0 && !this.#hasHeard) this.#ask()
    this.#hasHeard = false
  }

  /**
   * A member that was frozen or cut off leaves its streams open and silent. HTTP/2 has a PING for this, but servers of
   * gRPC close a connection on which it comes often.
   */
  async #ask(): Promise<void> {
    if (this.#isAsking || !this.isOpen) return
    this.#isAsking = true
    try {
      await this.call({
        path: STATUS_CALL,
        message: new Uint8Array(),
        metadata: {},
        deadline: this.#deadline,
      })
    } catch (cause) {
      // Any other answer shows that it is there.
      if (cause instanceof GrpcFailure && cause.status === STATUS.DEADLINE_EXCEEDED) this.close()
    } finally {
      this.#isAsking = false
    }
  }
}
