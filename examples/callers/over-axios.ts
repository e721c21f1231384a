import axios, { type AxiosInstance, type CreateAxiosDefaults } from 'axios'
import type { Realm } from 'orthrus/client'

/**
 * axios over a realm: its requests carry tickets, and only proved answers arrive. With `fetch`, axios sends the text
 * `[object FormData]` for a form of its own class, so it is told the platform's.
 */
export function axiosOver(realm: Realm, defaults: CreateAxiosDefaults = {}): AxiosInstance {
  return axios.create({ ...defaults, adapter: 'fetch', env: { fetch: realm.fetch, FormData } })
}
