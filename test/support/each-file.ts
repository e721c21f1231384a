import { afterAll, beforeAll } from 'vitest'
import { beginFile, endFile } from '../end-to-end/processes.js'

// The runner evaluates this for each file of tests; other modules are evaluated once for all files of a process.
beforeAll(beginFile)
afterAll(endFile)
