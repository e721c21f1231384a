import { afterAll, describe } from 'vitest'
import { cliEntries } from './entries/cli.js'
import { messageEntries } from './entries/messages.js'
import { storeEntries } from './entries/store.js'
import { textEntries } from './entries/texts.js'
import { fuzzAll } from './run.js'

/** Whatever is read is taken or refused as its contract says, soon, and in little memory. */

const store = await storeEntries()
const commandLine = cliEntries()

afterAll(() => {
  store.end()
  commandLine.end()
})

describe('any bytes in place of a message', () => fuzzAll(messageEntries))

describe('any text in place of what people and headers write', () => fuzzAll(textEntries))

describe('any bytes from the disk of the KDC', () => fuzzAll(store.entries))

describe('any words on the command line', () => fuzzAll(commandLine.entries))
