import { isMainThread, parentPort } from 'node:worker_threads'
import { toHex } from '../../shared/bytes.js'
import { systemRandom } from '../../shared/crypto/random.js'

/** A process, worker of a cluster or thread that draws what it is the first to want and says what it was. */

const drawn = Array.from({ length: 200 }, () => toHex(systemRandom(24)))
if (isMainThread) process.send?.(drawn)
else parentPort?.postMessage(drawn)
