import {
  createMemoryStore,
  createRealm,
  type KdcOptions,
  OrthrusError,
  openLevelStore,
  type RunningKdc,
  readMasterKey,
  type Store,
  startKdc,
} from 'orthrus/kdc'

export async function openStore(path: string): Promise<Store> {
  return path === '' ? createMemoryStore() : await openLevelStore(path, { create: false })
}

export async function run(options: KdcOptions): Promise<string> {
  const kdc: RunningKdc = await startKdc(options)
  try {
    return `${kdc.realm} ${kdc.url} ${kdc.address.port}`
  } finally {
    await kdc.close()
  }
}

// @ts-expect-error A KDC needs its data.
export const empty: KdcOptions = {}

export const functions = [createRealm, readMasterKey, OrthrusError] as const
