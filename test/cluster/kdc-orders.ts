/** What the driver and the process of a KDC say to each other. */

/** What a KDC is started with, as JSON in its first argument. */
export interface KdcOrders {
  readonly name: string
  readonly realm: string
  /** Base64url. */
  readonly masterKey: string
  /** `host:port` of each member, each behind a relay of this KDC alone. */
  readonly endpoints: readonly string[]
  /** The file that gets a line for each ticket id that is drawn, and for each stall, with the time. */
  readonly seals: string
  readonly log: string
}

export type Order =
  | { readonly do: 'step clock'; readonly by: number }
  /** Events of the watch are kept back from now on, or handed on. */
  | { readonly do: 'hold watch'; readonly on: boolean }
  /** The process stops itself as soon as etcd has kept its lease alive the next time. */
  | { readonly do: 'stop after keep-alive' }
  | { readonly do: 'close' }

export type Told = { readonly says: 'ready'; readonly port: number } | { readonly says: 'stopping' }
