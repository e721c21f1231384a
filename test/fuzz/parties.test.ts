import { describe } from 'vitest'
import { clientEntries } from './entries/client.js'
import { kdcEntries } from './entries/kdc.js'
import { kdcChannelEntries } from './entries/kdc-channel.js'
import { kdcConnectionEntries } from './entries/kdc-connection.js'
import { serviceEntries } from './entries/service.js'
import { fuzzAll } from './run.js'

/** KDC, service and client under what comes to them, changed before and behind its MACs. */

const kdc = [...(await kdcEntries()), ...(await kdcChannelEntries()), ...(await kdcConnectionEntries())]
const service = await serviceEntries()

describe('any bytes from a client of the KDC', () => fuzzAll(kdc))

describe('any bytes from a client of a service', () => fuzzAll(service))

describe('any bytes in place of an answer to a client', () => fuzzAll(clientEntries()))
