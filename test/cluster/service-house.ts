import { setTimeout as sleep } from 'node:timers/promises'
import { requireTicket } from '../../service/fetch-handler.js'
import { createVerifier, type IncomingRequest, RequestRefused, type Service } from '../../service/index.js'
import { BoundedReplayCache } from '../../service/replay/replay-cache.js'
import { toHex } from '../../shared/bytes.js'
import { TYPE, WINDOW } from '../../shared/constants.js'
import { deriveAuthKey } from '../../shared/crypto/derive.js'
import { systemRandom } from '../../shared/crypto/random.js'
import { createApRequest } from '../../shared/exchange/ap.js'
import { requestBinding } from '../../shared/http/binding.js'
import { formatMessageHeader } from '../../shared/http/headers.js'
import { formatKeytab } from '../../shared/keytab/keytab.js'
import type { Logger } from '../../shared/logger.js'
import type { Grant } from '../../shared/ticket/grant.js'
import { decodeTicket } from '../../shared/ticket/ticket.js'
import { type Duration, systemClock } from '../../shared/time.js'
import { loadService } from '../support/load-service.js'
import type { Hand } from './asker.js'
import { shortOf } from './names.js'
import type { Recorder } from './recorder.js'
import { machineTime } from './time.js'

/** What a GET has for a body. */
const NOTHING = new Uint8Array(0)
/** The smallest that there is. */
const CACHE_BYTES = 512 * 1024

/** A service in the driver's own process, which follows what the KDCs revoke over the network. */
export class ServiceHouse {
  readonly name: string
  readonly service: Service
  /** Answers as a server would. */
  readonly handle: (request: Request) => Promise<Response>
  readonly #verify: ReturnType<typeof createVerifier>
  readonly #recorder: Recorder

  private constructor(name: string, service: Service, recorder: Recorder) {
    this.name = name
    this.service = service
    this.#recorder = recorder
    this.#verify = createVerifier({ service })
    this.handle = requireTicket({ service }, (_, ticket) => new Response(`hello ${ticket.client}`))
  }

  /**
   * @param maxStaleness for how long it goes on without a KDC
   * @param logger of what it says of its feed, which a run that fails shows
   */
  static async open(
    hand: Hand,
    kdc: readonly string[],
    maxStaleness: Duration,
    recorder: Recorder,
    logger: Logger,
  ): Promise<ServiceHouse> {
    // It accepts at once, as if it had been running for a while.
    const floor = systemClock.now() - WINDOW.SERVICE_PAST
    const service = await loadService({
      keytab: { text: formatKeytab([hand]) },
      kdc,
      maxStaleness,
      replayCache: new BoundedReplayCache({ clock: systemClock, floor, maxBytes: CACHE_BYTES }),
      allowReplayAcrossProcesses: true,
      logger,
    })
    return new ServiceHouse(shortOf(hand.principal), service, recorder)
  }

  get origin(): string {
    return `http://${this.name}.test`
  }

  /** Resolves when a KDC has told it what is revoked. */
  async ready(): Promise<void> {
    while (!this.service.state.ready) await sleep(20)
  }

  /** Shows the ticket as whoever stole it would, over and over. */
  async show(grant: Grant, client: string): Promise<void> {
    const target = '/stolen'
    const key = deriveAuthKey(grant.key, [])
    const ticket = decodeTicket(grant.ticket)
    const { bytes } = createApRequest(TYPE.AP_REQ, key, {
      ticket,
      caveats: [],
      time: systemClock.now(),
      nonce: systemRandom(16),
      binding: requestBinding('GET', target, [], NOTHING),
      delegated: null,
    })
    const headers = [['authorization', formatMessageHeader(bytes)]] as const
    const began = machineTime()
    const outcome = await this.#outcomeOf({ method: 'GET', target, headers })
    this.#recorder.add({
      kind: 'call',
      service: this.name,
      client,
      ticketId: toHex(grant.ticketId),
      kvno: ticket.kvno,
      outcome,
      isHonest: false,
      began,
      ended: machineTime(),
    })
  }

  async close(): Promise<void> {
    await this.service.close()
  }

  async #outcomeOf(request: IncomingRequest): Promise<string> {
    try {
      ;(await this.#verify(request)).end()
      return 'accepted'
    } catch (cause) {
      if (cause instanceof RequestRefused) return cause.code ?? 'without a ticket'
      throw cause
    }
  }
}
