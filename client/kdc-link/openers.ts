import type { OrthrusError } from '../../shared/errors.js'
import type { Timers } from '../../shared/timers.js'
import type { KdcLink } from './link.js'

interface Opener {
  resolve(link: KdcLink): void
  reject(cause: OrthrusError): void
}

/** Those who wait until a KDC is reached. */
export class Openers {
  readonly #timers: Timers
  readonly #all = new Set<Opener>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  get size(): number {
    return this.#all.size
  }

  /**
   * @param within how long it may take, milliseconds
   * @param late gives the cause of what took longer
   * @throws OrthrusError
   */
  wait(within: number, late: () => OrthrusError): Promise<KdcLink> {
    return new Promise((resolve, reject) => {
      const over = (): void => {
        this.#timers.clearTimeout(timer)
        this.#all.delete(opener)
      }
      const opener: Opener = {
        resolve: found => {
          over()
          resolve(found)
        },
        reject: cause => {
          over()
          reject(cause)
        },
      }
      this.#all.add(opener)
      const timer = this.#timers.setTimeout(() => opener.reject(late()), within)
    })
  }

  resolve(link: KdcLink): void {
    for (const opener of [...this.#all]) opener.resolve(link)
  }

  reject(cause: OrthrusError): void {
    for (const opener of [...this.#all]) opener.reject(cause)
  }
}
