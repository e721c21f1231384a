// A service in a process of its own that changes its key as soon as the KDC says that it is due, and then says so.
// Arguments: its keytab, the URL of the KDC.
import { writeSync } from 'node:fs'
import { loadService } from 'orthrus/service'

// When in the day it asks is drawn at random, and so no whole number of milliseconds. A day takes a second here.
const soon = milliseconds =>
  milliseconds > 5_000 && !Number.isInteger(milliseconds) ? milliseconds / 86_400 : milliseconds
const timers = {
  setTimeout: (run, milliseconds) => setTimeout(run, soon(milliseconds)),
  clearTimeout: timer => clearTimeout(timer),
}
const say = (_, message) => {
  if (message === 'the key was changed') writeSync(1, 'changed\n')
}
const logger = { debug: say, info: say, warn: say, error: say }
const [, , keytab, kdc] = process.argv
await loadService({ keytab, kdc, rotation: 'automatic', timers, logger })
// A service that follows does not keep the process alive; its server would.
setInterval(() => {}, 60_000)
