import type { Realm } from 'orthrus/client'
import { hasEnded } from './session.js'

/** What this page does with the service: each answer and each message is proved to be the service's before it is seen here. */

export interface Order {
  readonly id: number
  readonly what: string
  /** Who ordered it, which they proved to the service. */
  readonly by: string
}

/** The service tells all pages of the order, this one too. */
export async function placeOrder(realm: Realm, origin: string, what: string): Promise<void> {
  const response = await realm.fetch(`${origin}/orders`, { method: 'POST', body: what })
  if (!response.ok) throw new Error(`the order was not taken: ${await response.text()}`)
}

export interface Follower {
  readonly onOrders: (orders: readonly Order[]) => void
  /** Whether orders are told as they come, or why not. */
  readonly onLive: (problem: unknown) => void
  /** Ends it, as the person logs out. */
  readonly signal: AbortSignal
}

/**
 * Tells of all orders, now and as they come. A channel ends with its ticket, or when the network does, so another one is opened;
 * then all are read again, since some may have come meanwhile.
 * @throws OrthrusError `login_invalid` when the login has ended
 */
export async function followOrders(
  realm: Realm,
  origin: string,
  { onOrders, onLive, signal }: Follower,
): Promise<void> {
  for (let pause = 1_000; !signal.aborted; pause = Math.min(2 * pause, 30_000)) {
    try {
      const channel = await realm.openChannel(`${origin.replace('http', 'ws')}/live`, { signal })
      const response = await realm.fetch(`${origin}/orders`, { signal })
      onOrders((await response.json()) as Order[])
      onLive(undefined)
      pause = 1_000
      for await (const message of channel) onOrders([JSON.parse(new TextDecoder().decode(message)) as Order])
    } catch (error) {
      if (hasEnded(error)) throw error
      if (!signal.aborted) onLive(error)
    }
    await new Promise(resolve => setTimeout(resolve, pause))
  }
}
