import type { Socket } from 'node:net'

/**
 * Sockets whose TLS handshake is not over. The platform gives another object when it is, over the same connection, so
 * what is known of the first has to be found by the addresses of the two ends.
 */
export class Handshakes<Known> {
  readonly #begun = new Map<string, { readonly socket: Socket; readonly known: Known }>()

  begin(socket: Socket, known: Known): void {
    const name = nameOf(socket)
    const entry = { socket, known }
    this.#begun.set(name, entry)
    socket.once('close', () => {
      if (this.#begun.get(name) === entry) this.#begun.delete(name)
    })
  }

  /** @returns what is known of the connection; `undefined` if it is gone already */
  finish(secured: Socket): Known | undefined {
    const name = nameOf(secured)
    const known = this.#begun.get(name)?.known
    this.#begun.delete(name)
    return known
  }

  /** Cuts those that are not over. */
  end(): void {
    for (const { socket } of [...this.#begun.values()]) socket.destroy()
  }
}

function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ')
}
