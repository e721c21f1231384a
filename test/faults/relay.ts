import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** An address that stays while the KDC behind it comes and goes. */
export interface Relay {
  /** What clients connect to. */
  readonly url: string
  /** Passes on to that KDC from now on; to none where it is `undefined`. Connections that are open stay as they are. */
  leadTo(url: string | undefined): void
  close(): Promise<void>
}

export async function startRelay(): Promise<Relay> {
  let target: number | undefined
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer(client => {
    keep(client)
    if (target === undefined) return void client.destroy()
    const kdc = connect(target, '127.0.0.1')
    keep(kdc)
    client.pipe(kdc).pipe(client)
    client.on('close', () => kdc.destroy())
    kdc.on('close', () => client.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo: url => {
      target = url === undefined ? undefined : Number(new URL(url).port)
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
