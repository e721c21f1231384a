import { afterAll, describe } from 'vitest'
import { formEntries } from './entries.js'
import { fuzzAll } from './run.js'

/** Whatever is read is taken or refused as its contract says, soon, and in little memory. */

const { groups, end } = await formEntries()

afterAll(end)

const TITLES: Record<keyof typeof groups, string> = {
  messages: 'any bytes in place of a message',
  sealedBodies: 'any bytes of a sealed body',
  texts: 'any text in place of what people and headers write',
  store: 'any bytes from the disk of the KDC',
  backup: 'any bytes in a backup',
  serviceFiles: 'any bytes from the disk of a service',
  etcd: 'any bytes in an answer of etcd, and any text as its address',
  sharedCache: 'any bytes to the replay cache of a machine',
  commandLine: 'any words on the command line',
  audit: 'any bytes in the audit log',
}

for (const [group, entries] of Object.entries(groups)) {
  describe(TITLES[group as keyof typeof groups], () => fuzzAll(entries))
}
