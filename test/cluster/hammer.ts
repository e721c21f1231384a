import { setTimeout as sleep } from 'node:timers/promises'
import type { Grant } from '../../shared/ticket/grant.js'
import type { Asker, Hand } from './asker.js'
import { whole } from './names.js'

/** Between two questions to one KDC, milliseconds. */
const PAUSE = 15

/** Asks every KDC for tickets as one client, over and over, also while and after its rights are taken away. */
export class Hammer {
  readonly #running: Promise<unknown>
  #isOver = false
  /** From now on what comes may be a refusal. */
  isSound = true

  /** @param tgt none where the client logs in each time, which tries its key and its records from the start */
  constructor(askers: readonly Asker[], hand: Hand, services: readonly string[], tgt: Grant | undefined) {
    this.#running = Promise.all(askers.map(asker => this.#run(asker, hand, services, tgt)))
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  async #run(asker: Asker, hand: Hand, services: readonly string[], tgt: Grant | undefined): Promise<void> {
    const names = services.map(whole)
    const isSound = (): boolean => this.isSound
    while (!this.#isOver) {
      const answer =
        tgt === undefined
          ? await asker.login(hand, names, isSound)
          : await asker.tickets(hand.principal, tgt, names, isSound)
      if (answer.outcome === 'silence') await sleep(PAUSE)
      await sleep(PAUSE)
    }
  }
}
