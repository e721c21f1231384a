import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** The network between the two ends of a tunnel: it passes everything on, and keeps what it saw. */
export class Wire {
  /** What clients sent, and what they were answered. */
  readonly seen = { there: [] as Buffer[], back: [] as Buffer[] }
  readonly #server
  readonly #open = new Set<{ destroy(): void }>()

  private constructor(port: number) {
    this.#server = createServer(near => {
      const far = connect(port, '127.0.0.1')
      const pass = (from: Socket, to: Socket, seen: Buffer[]) =>
        from.on('data', piece => {
          seen.push(piece as Buffer)
          to.write(piece)
        })
      pass(near, far, this.seen.there)
      pass(far, near, this.seen.back)
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(one)
        one.on('error', () => {})
        one.on('close', () => {
          this.#open.delete(one)
          other.destroy()
        })
      }
    })
  }

  /** @param port of the tunnel behind it */
  static async before(port: number): Promise<Wire> {
    const wire = new Wire(port)
    await new Promise<void>(resolve => wire.#server.listen(0, '127.0.0.1', resolve))
    return wire
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Everything, in both directions. */
  get bytes(): Buffer {
    return Buffer.concat([...this.seen.there, ...this.seen.back])
  }

  close(): void {
    for (const socket of this.#open) socket.destroy()
    this.#server.close()
  }
}

/** The first bytes as a network analyser prints them. */
export function hexDump(bytes: Buffer, rows: number): string {
  return Array.from({ length: rows }, (_, row) => {
    const part = bytes.subarray(16 * row, 16 * row + 16)
    const hex = part.toString('hex').replace(/../g, '$& ').padEnd(48)
    const text = part.toString('latin1').replace(/[^ -~]/g, '.')
    return `      ${(16 * row).toString(16).padStart(4, '0')}  ${hex} ${text}`
  }).join('\n')
}
