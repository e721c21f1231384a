/** What a page does for a new login. */
export function pageHint(): string {
  return 'ask for the password, and log in again: connect({ principal, password, keepLogin })'
}
