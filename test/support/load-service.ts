import type { LoadServiceOptions, Service } from '../../service/index.js'
import { loadService as load } from '../../service/load-service.js'

/** A service that no test has to close before another loads one under the same key. */
export function loadService(options: LoadServiceOptions): Promise<Service> {
  return load({ allowReplayAcrossProcesses: true, ...options })
}
