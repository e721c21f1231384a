/**
 * @param name what takes the options
 * @throws TypeError if it is no function
 */
export function requireOnEvent(name: string, onEvent: unknown): void {
  if (onEvent === undefined || typeof onEvent === 'function') return
  throw new TypeError(`onEvent of ${name} is a function, which gets each event`)
}
