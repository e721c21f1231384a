import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A peer that sends what it is told to, and ends when it is told to. */
export interface RawSocket {
  readonly socket: Socket
  /** What came, as latin1. */
  text(): string
  /** Resolves when the other side has cut or ended it. */
  readonly ended: Promise<void>
}

export function openSocket(port: number): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    onTestFinished(() => void socket.destroy())
    let received = ''
    socket.on('data', bytes => {
      received += bytes.toString('latin1')
    })
    const ended = new Promise<void>(done => socket.on('close', () => done()))
    socket.on('error', reject)
    socket.on('connect', () => resolve({ socket, text: () => received, ended }))
  })
}
