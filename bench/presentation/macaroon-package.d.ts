/** What the bench uses of the npm package `macaroon`, which has no types. */
declare module 'macaroon' {
  export interface Macaroon {
    addFirstPartyCaveat(caveat: Uint8Array): void
    exportBinary(): Uint8Array
    /** @param check says what is wrong with a caveat, or null. @throws Error where it does not hold */
    verify(rootKey: Uint8Array, check: (caveat: string) => string | null): void
  }

  export interface NewMacaroon {
    readonly identifier: string
    readonly location: string
    readonly rootKey: Uint8Array
    readonly version: 2
  }

  export function newMacaroon(options: NewMacaroon): Macaroon
  export function importMacaroon(bytes: Uint8Array): Macaroon
}
