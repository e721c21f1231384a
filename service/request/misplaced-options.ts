/**
 * Two slips that would otherwise be told as an unknown option: the service itself in place of options, and a gate that
 * was mounted without being called, so that a request arrives in their place.
 * @throws TypeError that says what to write
 */
export function refuseMisplaced(options: unknown): void {
  if (typeof options !== 'object' || options === null || 'service' in options) return
  if ('principal' in options && 'state' in options) {
    throw new TypeError(
      'requireTicket takes options, with the service among them: requireTicket({ service })',
    )
  }
  if ('headers' in options || 'req' in options) {
    throw new TypeError(
      'requireTicket was given a request in place of options: call it once, and mount what it returns, as with app.use(requireTicket({ service }))',
    )
  }
}
