/**
 * @param name what takes the options
 * @throws TypeError if it is no function
 */
export function requireOnEvent(name: string, onEvent: unknown): void {
  if (onEvent === undefined || typeof onEvent === 'function') return
  throw new TypeError(`onEvent of ${name} is a function, which gets each event`)
}

/** @param name what takes the options. @throws TypeError if it is no tracing */
export function requireTracing(name: string, tracing: unknown): void {
  if (tracing === undefined) return
  if (typeof tracing === 'object' && tracing !== null && 'begin' in tracing) return
  throw new TypeError(`tracing of ${name} is what createTracing of orthrus/opentelemetry gives`)
}
