import { createMemoryStore } from '../../../kdc/store/memory.js'
import { describeStore } from './store-suite.js'

describeStore(
  'the store in memory',
  async () => createMemoryStore(),
  async () => undefined,
)
